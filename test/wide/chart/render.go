// Renders a Helm chart's templates without helm, but with the same libraries, text/template and
// Sprig:
//
//	render CHART RELEASE [NAMESPACE] <values.yaml
//
// The values on stdin (YAML or JSON, may be empty) replace the chart's own as with `helm -f`.
// ../chart.test.ts lists what helm does and this does not.
package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type object = map[string]interface{}

func main() {
	if len(os.Args) != 3 && len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: render CHART RELEASE [NAMESPACE] <values.yaml")
		os.Exit(2)
	}
	namespace := "default"
	if len(os.Args) == 4 {
		namespace = os.Args[3]
	}
	manifest, err := render(os.Args[1], os.Args[2], namespace, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(manifest)
}

func render(chart, release, namespace string, overrides io.Reader) (string, error) {
	metadata, err := readYAML(os.ReadFile(filepath.Join(chart, "Chart.yaml")))
	if err != nil {
		return "", err
	}
	values, err := readYAML(os.ReadFile(filepath.Join(chart, "values.yaml")))
	if err != nil {
		return "", err
	}
	given, err := readYAML(io.ReadAll(overrides))
	if err != nil {
		return "", err
	}
	root := object{
		"Values": overlay(values, given),
		"Chart":  capitalised(metadata),
		"Release": object{
			"Name": release, "Namespace": namespace, "Service": "Helm",
			"IsInstall": true, "IsUpgrade": false, "Revision": 1,
		},
		"Capabilities": object{
			"KubeVersion": object{"Version": "v1.34.0", "Major": "1", "Minor": "34"},
		},
	}

	all := template.New(path.Base(chart)).Option("missingkey=zero")
	all.Funcs(functions(all))
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if _, err := all.New(file).Parse(string(text)); err != nil {
			return "", err
		}
	}

	var manifest strings.Builder
	for _, file := range files {
		if base := filepath.Base(file); strings.HasPrefix(base, "_") || base == "NOTES.txt" {
			continue
		}
		text, err := execute(all, file, root)
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(text) != "" {
			fmt.Fprintf(&manifest, "---\n%s\n", strings.TrimSpace(text))
		}
	}
	return manifest.String(), nil
}

// functions are Sprig's, without those that helm removes, and with those that helm adds.
func functions(all *template.Template) template.FuncMap {
	f := sprig.TxtFuncMap()
	delete(f, "env")
	delete(f, "expandenv")
	f["toYaml"] = func(v interface{}) string {
		text, err := yaml.Marshal(v)
		if err != nil {
			return "" // As helm does.
		}
		return strings.TrimSuffix(string(text), "\n")
	}
	f["include"] = func(name string, data interface{}) (string, error) {
		return execute(all, name, data)
	}
	f["tpl"] = func(text string, data interface{}) (string, error) {
		own, err := all.Clone()
		if err != nil {
			return "", err
		}
		own.Funcs(functions(own))
		if _, err := own.New("tpl").Parse(text); err != nil {
			return "", err
		}
		return execute(own, "tpl", data)
	}
	f["required"] = func(message string, v interface{}) (interface{}, error) {
		if text, isString := v.(string); v == nil || isString && text == "" {
			return nil, fmt.Errorf("%s", message)
		}
		return v, nil
	}
	return f // fail is Sprig's own.
}

func execute(all *template.Template, name string, data interface{}) (string, error) {
	var text strings.Builder
	err := all.ExecuteTemplate(&text, name, data)
	// An absent value prints nothing, as in helm.
	return strings.ReplaceAll(text.String(), "<no value>", ""), err
}

func readYAML(text []byte, err error) (object, error) {
	result := object{}
	if err == nil {
		err = yaml.Unmarshal(text, &result)
	}
	return result, err
}

// overlay lays given over values: tables merge, null removes, everything else replaces.
func overlay(values, given object) object {
	for key, value := range given {
		table, isTable := value.(object)
		below, overTable := values[key].(object)
		switch {
		case value == nil:
			delete(values, key)
		case isTable && overTable:
			values[key] = overlay(below, table)
		default:
			values[key] = value
		}
	}
	return values
}

// capitalised names Chart.yaml's entries as templates do: .Chart.AppVersion.
func capitalised(metadata object) object {
	result := object{}
	for key, value := range metadata {
		result[strings.ToUpper(key[:1])+key[1:]] = value
	}
	return result
}
