package millpond

import (
	"strings"
	"testing"
)

func TestAddressesOfServers(t *testing.T) {
	for text, want := range map[string]address{
		"http://127.0.0.1:8085":      {"http://127.0.0.1:8085", "dns:///127.0.0.1:8085", false},
		"127.0.0.1:8085":             {"http://127.0.0.1:8085", "dns:///127.0.0.1:8085", false},
		"localhost":                  {"http://localhost", "dns:///localhost:80", false},
		"https://millpond.example":   {"https://millpond.example", "dns:///millpond.example:443", true},
		"HTTPS://millpond.example/":  {"HTTPS://millpond.example", "dns:///millpond.example:443", true},
		"http://[::1]:8085/":         {"http://[::1]:8085", "dns:///[::1]:8085", false},
		"http://millpond.local:9000": {"http://millpond.local:9000", "dns:///millpond.local:9000", false},
	} {
		got, err := parseAddress(text)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}

func TestWhatIsNoAddressIsRefusedAtOnce(t *testing.T) {
	for _, text := range []string{
		"", "http://", "ftp://host", "http://host:port", "http://host:0", "http://host:65536", "a b", "http://host/path",
		"http://host?query", "://host",
	} {
		if client, err := NewClient(text, nil); err == nil {
			client.Close()
			t.Errorf("%q is taken for an address", text)
		} else if !strings.Contains(err.Error(), "no address") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCredentialsOfARefusedAddressAreNotRepeated(t *testing.T) {
	for _, text := range []string{"http://user:secret@host", "user:secret@host", "ftp://user:secret@host"} {
		if _, err := NewClient(text, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
