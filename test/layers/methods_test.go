package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

// sources are the files of the product, by their paths in the module.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	all := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "fakeawstest") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err == nil {
			all[filepath.ToSlash(name)], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Limits of methods. mostDeclared is for the methods that a type or an interface declares itself: people read them in
// one place, and can't remember more. The others count the methods of embedded types of the product, too: mostAsked is
// for an interface, mostWhole for a type.
const (
	mostDeclared = 25
	mostAsked    = 40
	mostWhole    = 130
)

// methodSet is the methods that a type or an interface declares, and the types that it embeds.
type methodSet struct {
	isInterface bool
	declared    map[string]bool
	embedded    []string // types, named as in methodSets
}

// methodSets are those of the product, by the directory and the name of the type.
func methodSets(t *testing.T) map[string]*methodSet {
	t.Helper()
	all := map[string]*methodSet{}
	of := func(name string) *methodSet {
		if all[name] == nil {
			all[name] = &methodSet{declared: map[string]bool{}}
		}
		return all[name]
	}
	for path, file := range sources(t) {
		here, imports := filepath.ToSlash(filepath.Dir(path)), importsOf(file)
		ast.Inspect(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.FuncDecl:
				if x.Recv != nil {
					of(typeName(x.Recv.List[0].Type, here, imports)).declared[x.Name.Name] = true
				}
				return false
			case *ast.TypeSpec:
				set := of(here + "." + x.Name.Name)
				var fields *ast.FieldList
				switch x := x.Type.(type) {
				case *ast.StructType:
					fields = x.Fields
				case *ast.InterfaceType:
					fields, set.isInterface = x.Methods, true
				default:
					return false
				}
				for _, f := range fields.List {
					if len(f.Names) == 0 {
						set.embedded = append(set.embedded, typeName(f.Type, here, imports))
					} else if set.isInterface {
						set.declared[f.Names[0].Name] = true
					}
				}
			}
			return true
		})
	}
	return all
}

// importsOf are the directories of the packages of the product that a file imports, by the names that it uses
// for them.
func importsOf(file *ast.File) map[string]string {
	out := map[string]string{}
	for _, i := range file.Imports {
		dir, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
		name := dir[strings.LastIndex(dir, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		if ours {
			out[name] = dir
		}
	}
	return out
}

// whole adds the methods of a type to a set, and those of the types of the product that it embeds.
func whole(sets map[string]*methodSet, name string, into map[string]bool) {
	if set := sets[name]; set != nil {
		maps.Copy(into, set.declared)
		for _, e := range set.embedded {
			whole(sets, e, into)
		}
	}
}

// TestNoTypeHasTooManyMethods: a type with more methods holds more than one idea, and must be split by concept.
// The fake AWS for tests is left out, because it has a method for each thing that a test may ask of it.
func TestNoTypeHasTooManyMethods(t *testing.T) {
	t.Parallel()
	sets, seen := methodSets(t), map[string]int{}
	for name, set := range sets {
		if n := len(set.declared); n > mostDeclared {
			t.Errorf("%s declares %d methods, want at most %d", name, n, mostDeclared)
		}
		all, most := map[string]bool{}, mostWhole
		if set.isInterface {
			most = mostAsked
		}
		whole(sets, name, all)
		if seen[name] = len(all); len(all) > most {
			t.Errorf("%s has %d methods with those of its embedded types, want at most %d", name, len(all), most)
		}
	}
	if len(sets) < 100 || seen["internal/store.Tx"] <= mostAsked || seen["remediate.Tx"] <= mostDeclared {
		t.Errorf("%d types; a transaction has %d methods, of which remediate asks for %d: the code is not read, or the limits are too high", len(sets), seen["internal/store.Tx"], seen["remediate.Tx"])
	}
}

// typeName is the directory and the name of a type that a file of this directory uses; empty: the type is not
// of the product.
func typeName(e ast.Expr, here string, imports map[string]string) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return typeName(x.X, here, imports)
	case *ast.IndexExpr:
		return typeName(x.X, here, imports)
	case *ast.IndexListExpr:
		return typeName(x.X, here, imports)
	case *ast.Ident:
		return here + "." + x.Name
	case *ast.SelectorExpr:
		if p, ok := x.X.(*ast.Ident); ok && imports[p.Name] != "" {
			return imports[p.Name] + "." + x.Sel.Name
		}
	}
	return ""
}
