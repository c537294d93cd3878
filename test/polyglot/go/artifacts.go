package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc"

	pb "switchyard/polyglot/gen/switchyard/v1"
)

// The end of a download, whichever.
type trailer interface {
	GetBytes() uint64
	GetSha256() []byte
}

func (player *player) writeArtifact(step step) error {
	data := step.Content.data(player.archive)
	header := &pb.WriteArtifactHeader{
		TrajectoryId: player.trajectoryID,
		ResumeToken:  or(step.ResumeToken, player.resumeToken),
		Path:         step.Path,
		Kind:         pb.ArtifactUploadKind_ARTIFACT_UPLOAD_KIND_FILE,
		Mode:         step.Mode,
	}
	if step.Content.Archive {
		header.Kind = pb.ArtifactUploadKind_ARTIFACT_UPLOAD_KIND_TAR_GZ
	}
	if step.Kind != "" {
		kind, known := pb.ArtifactUploadKind_value[step.Kind]
		if !known {
			return fmt.Errorf("this client knows no kind %s", step.Kind)
		}
		header.Kind = pb.ArtifactUploadKind(kind)
	}
	size := step.ChunkBytes
	if size == 0 {
		size = 65536
	}
	return ask(player, step, func(ctx context.Context, on *connection) (*pb.WriteArtifactResponse, error) {
		upload, err := pb.NewArtifactServiceClient(on).WriteArtifact(ctx)
		if err != nil {
			return nil, err
		}
		err = upload.Send(&pb.WriteArtifactRequest{Part: &pb.WriteArtifactRequest_Header{Header: header}})
		for chunk := range slices.Chunk(data, size) {
			if err == nil {
				err = upload.Send(&pb.WriteArtifactRequest{Part: &pb.WriteArtifactRequest_Data{Data: chunk}})
			}
		}
		// A server that refuses early ends the upload: Send then says EOF, and the status is CloseAndRecv's.
		if err != nil && err != io.EOF {
			return nil, err
		}
		return upload.CloseAndRecv()
	}, func(response *pb.WriteArtifactResponse) error {
		digest := sha256.Sum256(data)
		entries := response.Entries
		if step.Entries != nil {
			if err := json.Unmarshal(step.Entries, &entries); err != nil {
				return err
			}
		}
		return errors.Join(check("sha256", response.Sha256, digest[:]), check("entries", response.Entries, entries))
	})
}

func (player *player) readArtifact(step step) error {
	request := &pb.ReadArtifactRequest{
		TrajectoryId: player.trajectoryID,
		ResumeToken:  or(step.ResumeToken, player.resumeToken),
		Path:         step.Path,
		Offset:       step.Offset,
		MaxBytes:     step.MaxBytes,
	}
	return ask(player, step, func(ctx context.Context, on *connection) ([]*pb.ReadArtifactResponse, error) {
		return receiveAll(pb.NewArtifactServiceClient(on).ReadArtifact(ctx, request))
	}, func(responses []*pb.ReadArtifactResponse) error {
		if len(responses) < 2 {
			return fmt.Errorf("%d messages came", len(responses))
		}
		header, last := responses[0].GetHeader(), responses[len(responses)-1].GetTrailer()
		if header == nil || last == nil {
			return errors.New("the first message is no header, or the last one no trailer")
		}
		data, err := joined(responses[1:len(responses)-1], last)
		if err != nil {
			return err
		}
		return errors.Join(
			check("whether the content is as it should be", bytes.Equal(data, step.Content.data(player.archive)), true),
			check("size", header.Size, or(step.Size, header.Size)),
			check("mime_type", header.MimeType, or(step.MimeType, header.MimeType)),
			check("mode", header.Mode, or(step.Mode, header.Mode)),
			check("truncated", last.Truncated, or(step.Truncated, last.Truncated)))
	})
}

func (player *player) archiveArtifacts(step step) error {
	request := &pb.ArchiveArtifactsRequest{
		TrajectoryId: player.trajectoryID, ResumeToken: or(step.ResumeToken, player.resumeToken), Path: step.Path,
	}
	return ask(player, step, func(ctx context.Context, on *connection) ([]*pb.ArchiveArtifactsResponse, error) {
		return receiveAll(pb.NewArtifactServiceClient(on).ArchiveArtifacts(ctx, request))
	}, func(responses []*pb.ArchiveArtifactsResponse) error {
		if len(responses) == 0 || responses[len(responses)-1].GetTrailer() == nil {
			return errors.New("the last message is no trailer")
		}
		last := responses[len(responses)-1].GetTrailer()
		data, err := joined(responses[:len(responses)-1], last)
		if err != nil {
			return err
		}
		player.archive = data
		members, err := membersOf(data)
		return errors.Join(err,
			check("members", members, slices.Sorted(slices.Values(step.Members))),
			check("trailer.entries", last.Entries, uint64(len(members))))
	})
}

func (player *player) listArtifacts(step step) error {
	request := &pb.ListArtifactsRequest{
		TrajectoryId: player.trajectoryID,
		ResumeToken:  or(step.ResumeToken, player.resumeToken),
		Path:         step.Path,
		Recursive:    step.Recursive,
	}
	return ask(player, step, func(ctx context.Context, on *connection) (*pb.ListArtifactsResponse, error) {
		return pb.NewArtifactServiceClient(on).ListArtifacts(ctx, request)
	}, func(response *pb.ListArtifactsResponse) error {
		var got, expected []entry
		for _, each := range response.Entries {
			got = append(got, entry{each.Path, each.Type.String(), each.Size})
		}
		if err := json.Unmarshal(step.Entries, &expected); err != nil {
			return err
		}
		return check("entries", got, expected)
	})
}

func receiveAll[T any](download grpc.ServerStreamingClient[T], err error) ([]*T, error) {
	var responses []*T
	for err == nil {
		var response *T
		if response, err = download.Recv(); err == nil {
			responses = append(responses, response)
		}
	}
	if err == io.EOF {
		return responses, nil
	}
	return nil, err
}

func joined[T interface{ GetData() []byte }](responses []T, last trailer) ([]byte, error) {
	var data []byte
	for _, response := range responses {
		chunk := response.GetData()
		if len(chunk) == 0 || len(chunk) > 65536 {
			return nil, fmt.Errorf("a chunk of %d bytes", len(chunk))
		}
		data = append(data, chunk...)
	}
	digest := sha256.Sum256(data)
	return data, errors.Join(
		check("trailer.bytes", last.GetBytes(), uint64(len(data))), check("trailer.sha256", last.GetSha256(), digest[:]))
}

func membersOf(archive []byte) ([]string, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	var names []string
	for reader := tar.NewReader(unzipped); ; {
		header, err := reader.Next()
		if err == io.EOF {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names = append(names, strings.TrimSuffix(header.Name, "/"))
	}
}
