package main

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	pb "switchyard/polyglot/gen/switchyard/v1"
)

func duration(seconds *float64) *durationpb.Duration {
	if seconds == nil {
		return nil
	}
	whole, part := math.Modf(*seconds)
	return &durationpb.Duration{Seconds: int64(whole), Nanos: int32(math.Round(part * 1e9))}
}

func or[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

func openFrame(step step, trajectoryID, resumeToken string) *pb.Open {
	open := &pb.Open{
		TrajectoryId:  or(step.TrajectoryID, trajectoryID),
		ResumeToken:   or(step.ResumeToken, resumeToken),
		Group:         step.Group,
		Pool:          step.Pool,
		Env:           step.Env,
		AcquireSlot:   step.AcquireSlot,
		RequireResume: step.RequireResume,
		Lease:         duration(step.LeaseS),
	}
	for _, each := range step.OutputPositions {
		open.OutputPositions = append(open.OutputPositions, &pb.OutputPosition{
			UniqId: each.UniqID, StdoutOffset: each.StdoutOffset, StderrOffset: each.StderrOffset,
		})
	}
	return open
}

func toolCall(step step) (*pb.ToolCall, error) {
	arguments, err := structpb.NewStruct(step.Arguments)
	if err != nil {
		return nil, err
	}
	if step.Repeat != nil {
		text := strings.Repeat(step.Repeat.Text, step.Repeat.Times)
		arguments.Fields[step.Repeat.Argument] = structpb.NewStringValue(text)
	}
	return &pb.ToolCall{
		UniqId:          step.UniqID,
		Name:            step.Name,
		Arguments:       arguments,
		Timeout:         duration(step.TimeoutS),
		QueueTimeout:    duration(step.QueueTimeoutS),
		NoOutputTimeout: duration(step.NoOutputS),
		StreamOutput:    step.StreamOutput,
		SlotGeneration:  step.SlotGeneration,
	}, nil
}

func checkOpened(opened *pb.Opened, step step) error {
	errs := []error{check("resumed", opened.Resumed, step.Resumed)}
	if step.Epoch != nil {
		errs = append(errs, check("epoch", opened.Epoch, *step.Epoch))
	}
	if step.SlotGeneration != nil {
		errs = append(errs, check("slot_generation", opened.SlotGeneration, *step.SlotGeneration))
	}
	if step.LeaseS != nil {
		errs = append(errs, check("lease", opened.Lease.AsDuration(), duration(step.LeaseS).AsDuration()))
	}
	if step.Known != nil {
		known := map[string]string{}
		for _, call := range opened.Known {
			known[call.UniqId] = call.State.String()
		}
		errs = append(errs, check("known", known, step.Known))
	}
	return errors.Join(errs...)
}

// The bytes that a step names; `archive` is the last one that was downloaded.
func (content *content) data(archive []byte) []byte {
	switch {
	case content.Text != nil:
		return []byte(*content.Text)
	case content.Random != nil:
		return content.Random.data()
	}
	return archive
}

func (random *random) data() []byte {
	data := make([]byte, 0, random.Bytes+4)
	for state := random.Seed; len(data) < random.Bytes; {
		state = state*1664525 + 1013904223
		data = binary.LittleEndian.AppendUint32(data, state)
	}
	return data[:random.Bytes]
}
