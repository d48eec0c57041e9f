// A receiver of start webhooks: checks the signature, answers at once, does its work, and reports to the handle. Nothing
// but the standard library. WEBHOOK_SECRET is what `millpond webhook-secret show` says. Listens on 127.0.0.1:PORT, 9092 if
// that is not set.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// snippet: all
var secret, _ = base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("WEBHOOK_SECRET"), "whsec_"))

func isSigned(header http.Header, body []byte) bool {
	sent := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.%s", header.Get("webhook-id"), sent, body)
	own := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	known := false
	for _, one := range strings.Fields(header.Get("webhook-signature")) {
		known = hmac.Equal([]byte(one), []byte(own)) || known
	}
	return known
}

func start(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil || !isSigned(request.Header, body) {
		http.Error(answer, "not signed by Millpond", http.StatusUnauthorized)
		return
	}
	var assignment struct {
		Task struct{ Input struct{ Name string } }
	}
	if err := json.Unmarshal(body, &assignment); err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	answer.WriteHeader(http.StatusAccepted) // it has started
	go work(request.URL.Query().Get("handle"), assignment.Task.Input.Name)
}

func work(handle, name string) {
	output := map[string]string{"greeting": "hello, " + name}
	report, _ := json.Marshal(map[string]any{"success": map[string]any{"output": output}})
	response, err := http.Post(handle, "application/json", bytes.NewReader(report))
	if err != nil {
		log.Print(err) // reported again, or left to the inactivity_timeout
		return
	}
	defer response.Body.Close()
	// 200: taken. 409: the task has ended, for example by CancelTasks. 410: this attempt is over.
	fmt.Println("reported:", response.StatusCode)
}

// end: all

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "9092"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(start)))
}
