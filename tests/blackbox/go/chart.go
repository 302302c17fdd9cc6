// Renders a Helm chart's templates as Helm does, as far as ours need it: Go's templates, and the functions that they call.
//
//	chart FOLDER < {"Values": …, "Release": …, "Chart": …}
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"text/template"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	var given map[string]any
	check(json.NewDecoder(os.Stdin).Decode(&given))
	functions := template.FuncMap{
		"toJson": func(value any) (string, error) {
			text, err := json.Marshal(value)
			return string(text), err
		},
		"sha256sum": func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) },
		"default": func(otherwise, value string) string {
			if value == "" {
				return otherwise
			}
			return value
		},
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "templates", "*.yaml"))
	check(err)
	sort.Strings(files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		made, err := template.New(file).Funcs(functions).Option("missingkey=error").Parse(string(text))
		check(err)
		fmt.Println("---")
		check(made.Execute(os.Stdout, given))
	}
}
