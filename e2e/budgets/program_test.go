package budgets

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// endProcessSize is what the program of every command may have: one is started
// for each, and every page that it touches takes time.
const endProcessSize = 2.5e6

func TestTheEndProcessStaysSmall(t *testing.T) {
	st, err := os.Stat(filepath.Join(rig.Bin(t), "ccs-endprocess"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the program has %.2f MB", float64(st.Size())/1e6)
	if float64(st.Size()) > endProcessSize {
		t.Errorf("the program has %d bytes, more than %d", st.Size(), int(endProcessSize))
	}
}

// never is what would make the end-process start later and take more.
var never = []string{"fmt", "encoding/json", "log/slog", "os/exec", "net", "regexp", "reflect/", "google.golang.org/", "go.opentelemetry.io/"}

func TestTheEndProcessImportsWhatIsListedAndNothingElse(t *testing.T) {
	const golden = "testdata/endprocess.imports"
	list := exec.Command("go", "list", "-deps", "github.com/ccs-project/ccs/cmd/endprocess")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var public []string
	for name := range strings.FieldsSeq(string(out)) {
		for _, bad := range never {
			if name == bad || strings.HasSuffix(bad, "/") && strings.HasPrefix(name, bad) {
				t.Errorf("it imports %s", name)
			}
		}
		if !strings.Contains("/"+name+"/", "/internal/") && !strings.HasPrefix(name, "vendor/") { // the library's own affair
			public = append(public, name)
		}
	}
	got := strings.Join(public, "\n") + "\n"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it imports\n%swhere %s says\n%s. Is it worth it in every command? Then write the file anew with -rewrite.", got, golden, want)
	}
}
