// Reads a JSON array of YAML documents, writes what Kubernetes' Go reader makes of each: an array of
// {"json": "<text>"} or {"error": "<message>"}.
package main

import (
	"encoding/json"
	"os"

	"sigs.k8s.io/yaml"
)

type answer struct {
	JSON  string `json:"json,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	var inputs []string
	if err := json.NewDecoder(os.Stdin).Decode(&inputs); err != nil {
		panic(err)
	}
	answers := make([]answer, 0, len(inputs))
	for _, input := range inputs {
		answers = append(answers, read(input))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

func read(input string) (result answer) {
	defer func() {
		if thrown := recover(); thrown != nil {
			result = answer{Error: "panic"}
		}
	}()
	out, err := yaml.YAMLToJSON([]byte(input))
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{JSON: string(out)}
}
