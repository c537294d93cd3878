package main

import "encoding/json"

// A step of a scenario: `op` says what is done, and which of the other words it has.
type step struct {
	Op     string  `json:"op"`
	Stream string  `json:"stream"`
	Bearer *string `json:"bearer"`

	UniqID          string            `json:"uniq_id"`
	UniqIDs         []string          `json:"uniq_ids"`
	Name            string            `json:"name"`
	Arguments       map[string]any    `json:"arguments"`
	Repeat          *repeat           `json:"repeat"`
	TimeoutS        *float64          `json:"timeout_s"`
	QueueTimeoutS   *float64          `json:"queue_timeout_s"`
	NoOutputS       *float64          `json:"no_output_timeout_s"`
	StreamOutput    bool              `json:"stream_output"`
	SlotGeneration  *uint32           `json:"slot_generation"`
	DeadlineS       *float64          `json:"deadline_s"`
	TrajectoryID    *string           `json:"trajectory_id"`
	ResumeToken     *string           `json:"resume_token"`
	Group           string            `json:"group"`
	Pool            string            `json:"pool"`
	Env             map[string]string `json:"env"`
	AcquireSlot     bool              `json:"acquire_slot"`
	RequireResume   bool              `json:"require_resume"`
	LeaseS          *float64          `json:"lease_s"`
	OutputPositions []position        `json:"output_positions"`
	ResetWorkspace  bool              `json:"reset_workspace"`

	Resumed  bool                       `json:"resumed"`
	Epoch    *uint64                    `json:"epoch"`
	Known    map[string]string          `json:"known"`
	Result   map[string]json.RawMessage `json:"result"`
	Status   string                     `json:"status"`
	Fault    string                     `json:"fault"`
	Channel  string                     `json:"channel"`
	Text     *string                    `json:"text"`
	Bytes    int                        `json:"bytes"`
	SHA256   string                     `json:"sha256"`
	Code     string                     `json:"code"`
	Reason   string                     `json:"reason"`
	Error    *failure                   `json:"error"`
	Wiped    bool                       `json:"wiped"`
	Released uint32                     `json:"released"`
	Tool     string                     `json:"tool"`
	External bool                       `json:"external"`
	Required []string                   `json:"required"`
	Service  string                     `json:"service"`

	Path       string          `json:"path"`
	Content    *content        `json:"content"`
	ChunkBytes int             `json:"chunk_bytes"`
	Kind       string          `json:"kind"`
	Mode       *uint32         `json:"mode"`
	Entries    json.RawMessage `json:"entries"` // of write_artifact a number, of list_artifacts a list
	Offset     uint64          `json:"offset"`
	MaxBytes   uint64          `json:"max_bytes"`
	Size       *uint64         `json:"size"`
	MimeType   *string         `json:"mime_type"`
	Truncated  *bool           `json:"truncated"`
	Recursive  bool            `json:"recursive"`
	Members    []string        `json:"members"`
}

type repeat struct {
	Argument string `json:"argument"`
	Text     string `json:"text"`
	Times    int    `json:"times"`
}

type position struct {
	UniqID       string `json:"uniq_id"`
	StdoutOffset uint64 `json:"stdout_offset"`
	StderrOffset uint64 `json:"stderr_offset"`
}

type failure struct {
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

type content struct {
	Text    *string `json:"text"`
	Archive bool    `json:"archive"`
	Random  *random `json:"random"`
}

type random struct {
	Seed  uint32 `json:"seed"`
	Bytes int    `json:"bytes"`
}

type entry struct {
	Path string `json:"path"`
	Type string `json:"type"`
	Size uint64 `json:"size"`
}
