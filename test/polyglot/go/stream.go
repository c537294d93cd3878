package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	pb "switchyard/polyglot/gen/switchyard/v1"
)

// One RunTrajectory and all that has come on it so far.
type stream struct {
	pb.ToolExecutorService_RunTrajectoryClient
	connection *connection
	cancel     context.CancelFunc

	opened   []*pb.Opened
	results  []*pb.ToolResult
	rejected []*pb.Rejected
	released []*pb.Released
	output   map[channel]*output
	ended    bool
	err      error // why it ended; nil: with OK
}

// Of a stream that the server has ended, Send says only EOF: why it ended is for the steps that read.
func (stream *stream) send(request *pb.RunTrajectoryRequest) error {
	if err := stream.Send(request); err != io.EOF {
		return err
	}
	return nil
}

type channel struct {
	uniqID string
	name   string
}

type output struct {
	offset uint64
	data   []byte
}

func (dial *dialer) begin(bearer *string) (*stream, error) {
	connection, err := dial.connect()
	if err != nil {
		return nil, err
	}
	ctx, cancel := dial.context(nil, bearer)
	client, err := pb.NewToolExecutorServiceClient(connection).RunTrajectory(ctx)
	if err != nil {
		cancel()
		return nil, errors.Join(err, connection.cut())
	}
	return &stream{
		ToolExecutorService_RunTrajectoryClient: client,
		connection:                              connection,
		cancel:                                  cancel,
		output:                                  map[channel]*output{},
	}, nil
}

func (stream *stream) cut() error {
	err := stream.connection.cut()
	stream.cancel()
	return err
}

// Reads on until `found` says yes.
func (stream *stream) until(what string, found func() bool) error {
	for !found() {
		if stream.ended {
			return fmt.Errorf("the stream ended (%v) before %s came", stream.err, what)
		}
		if err := stream.read(); err != nil {
			return err
		}
	}
	return nil
}

func (stream *stream) read() error {
	response, err := stream.Recv()
	if err != nil {
		stream.ended = true
		if err != io.EOF {
			stream.err = err
		}
		return nil
	}
	switch frame := response.Frame.(type) {
	case *pb.RunTrajectoryResponse_Opened:
		stream.opened = append(stream.opened, frame.Opened)
	case *pb.RunTrajectoryResponse_Output:
		return stream.append(frame.Output)
	case *pb.RunTrajectoryResponse_Result:
		stream.results = append(stream.results, frame.Result)
	case *pb.RunTrajectoryResponse_Rejected:
		stream.rejected = append(stream.rejected, frame.Rejected)
	case *pb.RunTrajectoryResponse_Released:
		stream.released = append(stream.released, frame.Released)
	}
	return nil
}

func (stream *stream) append(piece *pb.Output) error {
	key := channel{piece.UniqId, piece.Channel.String()}
	got := stream.output[key]
	if got == nil {
		got = &output{offset: piece.Offset}
		stream.output[key] = got
	}
	if err := check("missing", piece.Missing, uint64(0)); err != nil {
		return err
	}
	if err := check("offset", piece.Offset, got.offset+uint64(len(got.data))); err != nil {
		return err
	}
	got.data = append(got.data, piece.Data...)
	return nil
}

func (stream *stream) expectOpened(step step) error {
	if err := stream.until("opened", func() bool { return len(stream.opened) > 0 }); err != nil {
		return err
	}
	return checkOpened(stream.opened[0], step)
}

func (stream *stream) expectOutput(step step) error {
	if _, known := pb.OutputChannel_value[step.Channel]; !known {
		return fmt.Errorf("this client knows no channel %s", step.Channel)
	}
	key := channel{step.UniqID, step.Channel}
	length := step.Bytes
	if step.Text != nil {
		length = len(*step.Text)
	}
	found := func() bool { return stream.output[key] != nil && len(stream.output[key].data) >= length }
	if err := stream.until("its output", found); err != nil {
		return err
	}
	got := stream.output[key]
	if err := check("offset", got.offset, step.Offset); err != nil {
		return err
	}
	if step.Text != nil {
		return check("output", string(got.data), *step.Text)
	}
	digest := sha256.Sum256(got.data)
	return check("sha256 of output", hex.EncodeToString(digest[:]), step.SHA256)
}

func (stream *stream) expectResult(step step) error {
	var result *pb.ToolResult
	err := stream.until("result "+step.UniqID, func() bool {
		for _, each := range stream.results {
			if each.UniqId == step.UniqID {
				result = each
			}
		}
		return result != nil
	})
	if err != nil {
		return err
	}
	return checkResult(result, step.Result)
}

func (stream *stream) expectRejected(step step) error {
	var rejected *pb.Rejected
	err := stream.until("rejected "+step.UniqID, func() bool {
		for _, each := range stream.rejected {
			if each.UniqId == step.UniqID {
				rejected = each
			}
		}
		return rejected != nil
	})
	if err != nil {
		return err
	}
	return errors.Join(
		check("status", rejected.Status.String(), step.Status),
		check("fault", rejected.Fault.String(), step.Fault),
		check("whether there is an error text", rejected.Error != "", true))
}

func (stream *stream) expectReleased(step step) error {
	if err := stream.until("released", func() bool { return len(stream.released) > 0 }); err != nil {
		return err
	}
	return check("wiped", stream.released[0].Wiped, step.Wiped)
}

func (stream *stream) expectEnd(step step) error {
	if err := stream.until("its end", func() bool { return stream.ended }); err != nil {
		return err
	}
	return checkError(stream.err, failure{Code: step.Code, Reason: step.Reason})
}

func (stream *stream) expectOrder(step step) error {
	var order []string
	for _, result := range stream.results {
		order = append(order, result.UniqId)
	}
	return check("results", order, step.UniqIDs)
}
