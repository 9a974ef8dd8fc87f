package vaultcontext

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

func TestTheREADMEShowsCodeThatIsTested(t *testing.T) {
	var sources string
	for _, file := range []string{
		"examples/lambda/main.go", "examples/http/main.go", "vaultcontexttest/vaultcontexttest_test.go",
	} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources += string(source)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, block := range blocks {
		// "// …" stands between two pieces of one file.
		for piece := range strings.SplitSeq(block[1], "// …\n") {
			if !strings.Contains(sources, strings.TrimSpace(piece)) {
				t.Errorf("no example has:\n%s", piece)
			}
		}
	}
}

func TestThePackageDependsOnTheStandardLibraryAlone(t *testing.T) {
	const own = "git.example.com/vault-authorizer/integrations/go"
	list, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil || strings.TrimSpace(string(list)) != own {
		t.Errorf("got %s, %v", list, err)
	}
}
