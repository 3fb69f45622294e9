package simulate

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// goldenFile has, for each of the first seeds, the hash of all that its play did. A change of the code that should
// change no behaviour leaves the hashes as they are. Any other change writes them anew with SIM_GOLDEN=write, and
// its commit says what changed. SIM_TRACES=DIR writes the traces themselves to files, to compare them with those of
// another version.
const (
	goldenFile = "testdata/golden.txt"
	goldens    = 160 // seeds, from 1 on
)

// golden holds the hashes, by seed.
type golden struct {
	mu     sync.Mutex
	want   map[uint64]string
	got    map[uint64]string
	differ []uint64
}

func newGolden(t *testing.T) *golden {
	g := &golden{want: map[uint64]string{}, got: map[uint64]string{}}
	f, err := os.Open(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var seed uint64
		var hash string
		if _, err := fmt.Sscan(lines.Text(), &seed, &hash); err != nil {
			t.Fatalf("%s: %v", goldenFile, err)
		}
		g.want[seed] = hash
	}
	return g
}

// add notes the hash of a play's trace, and whether it differs from the golden one.
func (g *golden) add(seed uint64, trace string) error {
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(trace)))[:16]
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got[seed] = hash
	if want, ok := g.want[seed]; ok && want != hash {
		g.differ = append(g.differ, seed)
	}
	if dir := os.Getenv("SIM_TRACES"); dir != "" {
		return os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.txt", seed)), []byte(trace), 0o600)
	}
	return nil
}

// check fails if a play differs from its golden trace, or writes the golden file.
func (g *golden) check(t *testing.T) {
	if os.Getenv("SIM_GOLDEN") == "write" {
		var b strings.Builder
		for seed := uint64(1); seed <= goldens; seed++ {
			hash, ok := g.got[seed]
			if !ok {
				t.Fatalf("seed %d was not played: SIM_SEED=1 SIM_STEPS=50000", seed)
			}
			fmt.Fprintln(&b, seed, hash)
		}
		if err := os.WriteFile(goldenFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if slices.Sort(g.differ); len(g.differ) > 0 {
		t.Errorf("%d plays differ from %s: %v\ncompare with another version: SIM_TRACES=DIR SIM_STEPS=50000 go test -run Simulated ./test/simulate", len(g.differ), goldenFile, g.differ)
	}
}

// fullTrace is all that a play did, as text: its moves, each call to AWS that changes something, the flow logs that
// are left, each alert in the order of the outbox, and all tables.
func (p *play) fullTrace() string {
	lines := strings.Split(p.trace.String(), "\n")
	line := func(v any) {
		text, err := json.Marshal(v)
		p.must(err)
		lines = append(lines, normalized(string(text), nil))
	}
	for _, c := range p.world.Calls("") {
		line(c)
	}
	for _, f := range p.here() {
		line(f)
	}
	for n, d := range p.daemons {
		campaigns := map[string]string{}
		for _, a := range d.commits.alerts {
			text, err := json.Marshal(a)
			p.must(err)
			lines = append(lines, fmt.Sprint("daemon ", n, " ", normalized(string(text), campaigns)))
		}
		for _, table := range p.tables(d.path) {
			for k := range table {
				table[k] = fmt.Sprint("daemon ", n, " ", normalized(table[k], campaigns))
			}
			slices.Sort(table)
			lines = append(lines, table...)
		}
	}
	return strings.Join(lines, "\n")
}

var (
	sdk      = regexp.MustCompile(`aws-sdk-go-v2/[^\s"]+( ua/\S+)?( os/\S+)?( lang/\S+)?( md/\S+)*( api/[^\s")]+)?`)
	campaign = regexp.MustCompile(`campaign-[a-z2-7]{26}`)
)

// normalized is a text without what differs from run to run: the version of the SDK and its platform. The names of
// campaigns are random, so they are numbered.
func normalized(text string, campaigns map[string]string) string {
	text = sdk.ReplaceAllString(text, "aws-sdk-go-v2")
	return campaign.ReplaceAllStringFunc(text, func(id string) string {
		if campaigns[id] == "" {
			campaigns[id] = fmt.Sprint("campaign-", len(campaigns)+1)
		}
		return campaigns[id]
	})
}

// tables are the rows of each table, without numbers that only order them and without the random name of the state
// file. Rows of flow logs are shown unpacked, with the text of their targets, and without the columns that only
// serve as indexes of failing ones and decoys.
func (p *play) tables(path string) (out [][]string) {
	db := p.openReadOnly(path)
	defer db.Close()
	shown := map[string]string{"flow_logs body": "unpacked(body)", "flow_logs target": "(SELECT t.needs FROM targets t WHERE t.num = target)"}
	for _, table := range p.strings(db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN ('facts', 'targets') ORDER BY name`) {
		columns := p.strings(db, `SELECT name FROM pragma_table_info(?1) WHERE NOT (name = 'num' OR name = 'alert' AND ?1 = 'deliveries' OR name IN ('failing', 'decoy')) ORDER BY cid`, table)
		quoted := make([]string, len(columns))
		for n, c := range columns {
			quoted[n] = "quote(" + cmp.Or(shown[table+" "+c], c) + ")"
		}
		out = append(out, p.strings(db, `SELECT '`+table+` ' || `+strings.Join(quoted, ` || ' ' || `)+` FROM `+table+` ORDER BY 1`))
	}
	return out
}

// openReadOnly opens a state file to read it.
func (p *play) openReadOnly(path string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	p.must(err)
	return db
}

func (p *play) strings(db *sql.DB, query string, args ...any) (out []string) {
	rows, err := db.Query(query, args...)
	p.must(err)
	defer rows.Close()
	for rows.Next() {
		var s string
		p.must(rows.Scan(&s))
		out = append(out, s)
	}
	p.must(rows.Err())
	return out
}
