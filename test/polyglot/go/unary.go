package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/health/grpc_health_v1"

	pb "switchyard/polyglot/gen/switchyard/v1"
)

// The steps without a stream of the scenario's own: unary requests and transfers.
func (player *player) unaries() map[string]func(step) error {
	return map[string]func(step) error{
		"execute":            player.execute,
		"release_trajectory": player.releaseTrajectory,
		"list_tools":         player.listTools,
		"get_status":         player.getStatus,
		"health":             player.health,
		"write_artifact":     player.writeArtifact,
		"read_artifact":      player.readArtifact,
		"list_artifacts":     player.listArtifacts,
		"archive_artifacts":  player.archiveArtifacts,
	}
}

// Asks on a connection of its own, and hands the answer to `good`, unless the step expects an error.
func ask[T any](player *player, step step, request func(context.Context, *connection) (T, error), good func(T) error) error {
	connection, err := player.dial.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := player.dial.context(step.DeadlineS, step.Bearer)
	defer cancel()
	answer, err := request(ctx, connection)
	switch {
	case step.Error != nil && err == nil:
		return fmt.Errorf("it succeeded instead of failing with %+v", *step.Error)
	case step.Error != nil:
		return checkError(err, *step.Error)
	case err != nil:
		return err
	}
	return good(answer)
}

func (player *player) execute(step step) error {
	call, err := toolCall(step)
	if err != nil {
		return err
	}
	request := &pb.ExecuteRequest{
		TrajectoryId: player.trajectoryID, ResumeToken: or(step.ResumeToken, player.resumeToken), Call: call,
	}
	return ask(player, step, func(ctx context.Context, on *connection) (*pb.ExecuteResponse, error) {
		return pb.NewToolExecutorServiceClient(on).Execute(ctx, request)
	}, func(response *pb.ExecuteResponse) error {
		return checkResult(response.Result, step.Result)
	})
}

func (player *player) releaseTrajectory(step step) error {
	request := &pb.ReleaseTrajectoryRequest{
		Target:         &pb.ReleaseTrajectoryRequest_TrajectoryId{TrajectoryId: player.trajectoryID},
		ResumeToken:    or(step.ResumeToken, player.resumeToken),
		ResetWorkspace: step.ResetWorkspace,
	}
	if step.Group != "" {
		request.Target = &pb.ReleaseTrajectoryRequest_Group{Group: step.Group}
	}
	return ask(player, step, func(ctx context.Context, on *connection) (*pb.ReleaseTrajectoryResponse, error) {
		return pb.NewToolExecutorServiceClient(on).ReleaseTrajectory(ctx, request)
	}, func(response *pb.ReleaseTrajectoryResponse) error {
		return errors.Join(
			check("released", response.Released, step.Released), check("wiped", response.Wiped, step.Wiped))
	})
}

func (player *player) listTools(step step) error {
	return ask(player, step, func(ctx context.Context, on *connection) (*pb.ListToolsResponse, error) {
		return pb.NewToolExecutorServiceClient(on).ListTools(ctx, &pb.ListToolsRequest{})
	}, func(response *pb.ListToolsResponse) error {
		at := slices.IndexFunc(response.Tools, func(tool *pb.Tool) bool { return tool.Name == step.Tool })
		if at < 0 {
			return fmt.Errorf("%s is not among the tools", step.Tool)
		}
		text, err := json.Marshal(response.Tools[at].Parameters.AsMap())
		if err != nil {
			return err
		}
		var parameters struct {
			Type     string
			Required []string
		}
		if err := json.Unmarshal(text, &parameters); err != nil {
			return err
		}
		slices.Sort(parameters.Required)
		return errors.Join(
			check("external", response.Tools[at].External, step.External),
			check("parameters.type", parameters.Type, "object"),
			check("parameters.required", parameters.Required, slices.Sorted(slices.Values(step.Required))))
	})
}

func (player *player) getStatus(step step) error {
	return ask(player, step, func(ctx context.Context, on *connection) (*pb.GetStatusResponse, error) {
		return pb.NewToolExecutorServiceClient(on).GetStatus(ctx, &pb.GetStatusRequest{})
	}, func(response *pb.GetStatusResponse) error {
		hasSlots := slices.ContainsFunc(response.Pools, func(pool *pb.PoolStatus) bool {
			return pool.Name == step.Pool && pool.SlotsTotal > 0
		})
		return errors.Join(
			check("whether it has a version and an id", response.Version != "" && response.ServerId != "", true),
			check("whether the pool has slots", hasSlots, true))
	})
}

func (player *player) health(step step) error {
	return ask(player, step, func(ctx context.Context, on *connection) (*grpc_health_v1.HealthCheckResponse, error) {
		request := &grpc_health_v1.HealthCheckRequest{Service: step.Service}
		return grpc_health_v1.NewHealthClient(on).Check(ctx, request)
	}, func(response *grpc_health_v1.HealthCheckResponse) error {
		return check("status", response.Status.String(), step.Status)
	})
}
