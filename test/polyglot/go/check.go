package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "switchyard/polyglot/gen/switchyard/v1"
)

func check(what string, got, expected any) error {
	if reflect.DeepEqual(got, expected) {
		return nil
	}
	return fmt.Errorf("%s is %s, not %s", what, short(got), short(expected))
}

func short(value any) string {
	text := fmt.Sprintf("%#v", value)
	if len(text) > 300 {
		return fmt.Sprintf("%.300s... (%d bytes)", text, len(text))
	}
	return text
}

// Takes nil for OK.
func checkError(err error, expected failure) error {
	got := status.Convert(err)
	if err := check(fmt.Sprintf("code (%s)", got.Message()), codeName(got.Code()), expected.Code); err != nil {
		return err
	}
	if expected.Reason == "" {
		return nil
	}
	details := got.Details()
	if len(details) != 1 {
		return fmt.Errorf("%d details with %q, not one", len(details), got.Message())
	}
	info, ok := details[0].(*errdetails.ErrorInfo)
	if !ok {
		return fmt.Errorf("the detail is %T, not ErrorInfo", details[0])
	}
	return errors.Join(check("domain", info.Domain, "switchyard"), check("reason", info.Reason, expected.Reason))
}

// The name of a code as gRPC's own documents have it; Go spells them otherwise.
func codeName(code codes.Code) string {
	if code == codes.Canceled {
		return "CANCELLED"
	}
	var name strings.Builder
	for at, letter := range code.String() {
		if at > 0 && letter >= 'A' && letter <= 'Z' && code != codes.OK {
			name.WriteByte('_')
		}
		name.WriteRune(letter)
	}
	return strings.ToUpper(name.String())
}

// `expected` may name some fields only; of metadata some entries only.
func checkResult(result *pb.ToolResult, expected map[string]json.RawMessage) error {
	got := map[string]any{
		"status":             result.Status.String(),
		"fault":              result.Fault.String(),
		"success":            result.Success,
		"output":             result.Output,
		"error":              result.Error,
		"exit_code":          nil,
		"signal":             result.Signal,
		"output_bytes_total": float64(result.OutputBytesTotal),
		"truncated":          result.Truncated,
		"slot_generation":    float64(result.SlotGeneration),
	}
	if result.ExitCode != nil {
		got["exit_code"] = float64(*result.ExitCode)
	}
	for field, text := range expected {
		if err := checkField(result, got, field, text); err != nil {
			return fmt.Errorf("%s: %w (error: %s)", result.UniqId, err, short(result.Error))
		}
	}
	return nil
}

func checkField(result *pb.ToolResult, got map[string]any, field string, text json.RawMessage) error {
	switch field {
	case "metadata":
		var entries map[string]any
		if err := json.Unmarshal(text, &entries); err != nil {
			return err
		}
		metadata := result.Metadata.AsMap()
		for name, value := range entries {
			if err := check("metadata."+name, metadata[name], value); err != nil {
				return err
			}
		}
		return nil
	case "output_repeat":
		var output repeat
		if err := json.Unmarshal(text, &output); err != nil {
			return err
		}
		return check("output", result.Output, strings.Repeat(output.Text, output.Times))
	}
	value, known := got[field]
	if !known {
		return fmt.Errorf("this client does not know the field %s of a result", field)
	}
	var expected any
	if err := json.Unmarshal(text, &expected); err != nil {
		return err
	}
	return check(field, value, expected)
}
