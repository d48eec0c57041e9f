package millpond

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// address is where a server is.
type address struct {
	// text is the address as it is shown: with its scheme, without a slash at its end.
	text string
	// target is what grpc-go dials.
	target string
	isTLS  bool
}

var withScheme = regexp.MustCompile(`^(?i)[a-z][a-z0-9+.-]*://`)

// userInfo is what nobody should find in a message.
var userInfo = regexp.MustCompile(`^(.*//)?[^/]*@`)

func parseAddress(text string) (address, error) {
	shown := userInfo.ReplaceAllString(text, "$1")
	refused := fmt.Errorf("millpond: %q is no address of a server; give one such as http://127.0.0.1:8085", shown)
	full := strings.TrimRight(text, "/")
	if !withScheme.MatchString(text) {
		full = "http://" + full
	}
	parsed, err := url.Parse(full)
	if err != nil || parsed.Hostname() == "" {
		return address{}, refused
	}
	port := map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
	hasMore := parsed.Path != "" || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil
	if port == "" || hasMore || strings.ContainsAny(parsed.Hostname(), " \t\"<>") {
		return address{}, refused
	}
	if given := parsed.Port(); given != "" {
		if number, err := strconv.ParseUint(given, 10, 16); err != nil || number == 0 {
			return address{}, refused
		}
		port = given
	}
	target := "dns:///" + net.JoinHostPort(parsed.Hostname(), port)
	return address{text: full, target: target, isTLS: parsed.Scheme == "https"}, nil
}
