package main

import (
	"crypto/rand"
	"errors"
	"fmt"

	pb "switchyard/polyglot/gen/switchyard/v1"
)

// Plays one scenario with a trajectory of its own. Frames that come before a step asks for them are kept; every step waits
// for what it names, and for nothing else.
type player struct {
	dial         *dialer
	trajectoryID string
	resumeToken  string
	streams      map[string]*stream
	archive      []byte
}

func newPlayer(dial *dialer, name string) *player {
	return &player{
		dial:         dial,
		trajectoryID: name + "-" + rand.Text(),
		resumeToken:  rand.Text(),
		streams:      map[string]*stream{},
	}
}

func (player *player) play(steps []step) (err error) {
	defer func() {
		for _, stream := range player.streams {
			err = errors.Join(err, stream.cut())
		}
	}()
	for at, step := range steps {
		if err := player.do(step); err != nil {
			return fmt.Errorf("step %d (%s %s): %w", at+1, step.Op, step.UniqID, err)
		}
	}
	return nil
}

func (player *player) do(step step) error {
	if step.Stream == "" {
		step.Stream = "main"
	}
	if step.Op == "begin" {
		stream, err := player.dial.begin(step.Bearer)
		if err == nil {
			player.streams[step.Stream] = stream
		}
		return err
	}
	if unary := player.unaries()[step.Op]; unary != nil {
		return unary(step)
	}
	stream := player.streams[step.Stream]
	if stream == nil {
		return fmt.Errorf("this client knows no step %s, or no stream %s", step.Op, step.Stream)
	}
	return player.onStream(stream, step)
}

func (player *player) onStream(stream *stream, step step) error {
	switch step.Op {
	case "open":
		frame := &pb.RunTrajectoryRequest_Open{Open: openFrame(step, player.trajectoryID, player.resumeToken)}
		return stream.send(&pb.RunTrajectoryRequest{Frame: frame})
	case "call":
		call, err := toolCall(step)
		if err != nil {
			return err
		}
		return stream.send(&pb.RunTrajectoryRequest{Frame: &pb.RunTrajectoryRequest_Call{Call: call}})
	case "cancel":
		frame := &pb.RunTrajectoryRequest_Cancel{Cancel: &pb.Cancel{UniqId: step.UniqID}}
		return stream.send(&pb.RunTrajectoryRequest{Frame: frame})
	case "ack":
		frame := &pb.RunTrajectoryRequest_Ack{Ack: &pb.Ack{UniqIds: step.UniqIDs}}
		return stream.send(&pb.RunTrajectoryRequest{Frame: frame})
	case "release":
		frame := &pb.RunTrajectoryRequest_Release{Release: &pb.Release{ResetWorkspace: step.ResetWorkspace}}
		return stream.send(&pb.RunTrajectoryRequest{Frame: frame})
	case "half_close":
		return stream.CloseSend()
	case "cut":
		return stream.cut()
	case "expect_opened":
		return stream.expectOpened(step)
	case "expect_output":
		return stream.expectOutput(step)
	case "expect_result":
		return stream.expectResult(step)
	case "expect_rejected":
		return stream.expectRejected(step)
	case "expect_released":
		return stream.expectReleased(step)
	case "expect_end":
		return stream.expectEnd(step)
	case "expect_order":
		return stream.expectOrder(step)
	}
	return fmt.Errorf("this client knows no step %s", step.Op)
}
