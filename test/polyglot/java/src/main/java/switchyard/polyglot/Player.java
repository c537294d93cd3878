package switchyard.polyglot;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import switchyard.v1.Ack;
import switchyard.v1.Cancel;
import switchyard.v1.Release;
import switchyard.v1.RunTrajectoryRequest;

/**
 * Plays one scenario with a trajectory of its own. Frames that come before a step asks for them are kept; every step waits
 * for what it names, and for nothing else.
 */
final class Player implements AutoCloseable {
  private final Dialer dialer;
  private final String trajectoryId;
  private final String resumeToken = UUID.randomUUID().toString();
  private final Map<String, Stream> streams = new HashMap<>();
  private final Requests requests;
  private final Artifacts artifacts;

  Player(Dialer dialer, String name) {
    this.dialer = dialer;
    this.trajectoryId = name + "-" + UUID.randomUUID();
    this.requests = new Requests(dialer, trajectoryId, resumeToken);
    this.artifacts = new Artifacts(requests);
  }

  void play(JsonArray steps) throws Mismatch {
    int number = 0;
    for (JsonElement json : steps) {
      number++;
      Step step = Step.of(json);
      try {
        play(step);
      } catch (Exception failure) {
        String why = failure instanceof Mismatch ? failure.getMessage() : failure.toString();
        String which = step.text("op", "") + " " + step.text("uniq_id", "");
        throw new Mismatch("step " + number + " (" + which + "): " + why, failure);
      }
    }
  }

  private void play(Step step) throws Exception {
    switch (step.text("op", "")) {
      case "begin" -> streams.put(step.text("stream", "main"), new Stream(dialer, step));
      case "execute" -> requests.execute(step);
      case "release_trajectory" -> requests.releaseTrajectory(step);
      case "list_tools" -> requests.listTools(step);
      case "get_status" -> requests.getStatus(step);
      case "health" -> requests.health(step);
      case "write_artifact" -> artifacts.write(step);
      case "read_artifact" -> artifacts.read(step);
      case "list_artifacts" -> artifacts.list(step);
      case "archive_artifacts" -> artifacts.archive(step);
      default -> playOn(streams.get(step.text("stream", "main")), step);
    }
  }

  private void playOn(Stream stream, Step step) throws Exception {
    if (stream == null) throw new Mismatch("this client knows no such step, or no such stream");
    RunTrajectoryRequest.Builder frame = RunTrajectoryRequest.newBuilder();
    switch (step.text("op", "")) {
      case "open" -> stream.send(frame.setOpen(Messages.open(step, trajectoryId, resumeToken)));
      case "call" -> stream.send(frame.setCall(Messages.call(step)));
      case "cancel" -> stream.send(frame.setCancel(Cancel.newBuilder().setUniqId(step.text("uniq_id", ""))));
      case "ack" -> stream.send(frame.setAck(Ack.newBuilder().addAllUniqIds(step.texts("uniq_ids"))));
      case "release" ->
          stream.send(frame.setRelease(Release.newBuilder().setResetWorkspace(step.flag("reset_workspace", false))));
      case "half_close" -> stream.halfClose();
      case "cut" -> stream.cut();
      case "expect_opened" -> stream.expectOpened(step);
      case "expect_output" -> stream.expectOutput(step);
      case "expect_result" -> stream.expectResult(step);
      case "expect_rejected" -> stream.expectRejected(step);
      case "expect_released" -> stream.expectReleased(step);
      case "expect_end" -> stream.expectEnd(step);
      case "expect_order" -> stream.expectOrder(step);
      default -> throw new Mismatch("this client does not know the step");
    }
  }

  @Override
  public void close() {
    streams.values().forEach(Stream::cut);
  }
}
