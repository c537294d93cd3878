// Plays scenarios of the table against a server and prints a line of JSON for each; ../README.md has the words of the table.
package main

//go:generate ../../../node_modules/.bin/buf generate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

type options struct {
	address   string
	scenarios string
	ca        string
	token     string
	only      string
}

type scenario struct {
	Name  string          `json:"name"`
	Steps json.RawMessage `json:"steps"`
}

type verdict struct {
	Scenario string `json:"scenario"`
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Ms       int64  `json:"ms"`
}

func main() {
	var given options
	flag.StringVar(&given.address, "address", "", "host:port of the server")
	flag.StringVar(&given.scenarios, "scenarios", "", "file of the table")
	flag.StringVar(&given.ca, "ca", "", "file of the certificates to trust; empty: no TLS")
	flag.StringVar(&given.token, "token", "", "bearer token")
	flag.StringVar(&given.only, "only", "", "names of scenarios, with commas")
	flag.Parse()
	if err := run(given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(given options) error {
	table, err := readTable(given.scenarios)
	if err != nil {
		return err
	}
	dial, err := newDialer(given)
	if err != nil {
		return err
	}
	for _, scenario := range table {
		if given.only != "" && !strings.Contains(","+given.only+",", ","+scenario.Name+",") {
			continue
		}
		begin := time.Now()
		line := verdict{Scenario: scenario.Name}
		if err := play(dial, scenario); err != nil {
			line.Error = err.Error()
		}
		line.OK = line.Error == ""
		line.Ms = time.Since(begin).Milliseconds()
		if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func readTable(path string) ([]scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var table struct {
		Scenarios []scenario `json:"scenarios"`
	}
	if err := json.Unmarshal(text, &table); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return table.Scenarios, nil
}

// A word of a step that this client does not know is an error.
func play(dial *dialer, scenario scenario) error {
	decoder := json.NewDecoder(bytes.NewReader(scenario.Steps))
	decoder.DisallowUnknownFields()
	var steps []step
	if err := decoder.Decode(&steps); err != nil {
		return err
	}
	return newPlayer(dial, scenario.Name).play(steps)
}
