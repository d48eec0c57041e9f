package millpond_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheReadmesCodeIsThatOfTheExamples: the compiler reads what README.md shows.
func TestTheReadmesCodeIsThatOfTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples string
	files, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		examples += unindented(string(text))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(blocks) == 0 {
		t.Error("there is no code")
	}
	for _, block := range blocks {
		for _, paragraph := range strings.Split(unindented(string(block[1])), "\n\n") {
			// The examples import more.
			isImport := strings.HasPrefix(paragraph, "import (")
			if !isImport && !strings.Contains(examples, strings.TrimSpace(paragraph)) {
				t.Errorf("no example has\n%s", paragraph)
			}
		}
	}
}

func unindented(text string) string {
	return regexp.MustCompile(`(?m)^[\t ]+`).ReplaceAllString(text, "")
}
