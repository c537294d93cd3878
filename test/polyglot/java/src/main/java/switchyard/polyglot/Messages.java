package switchyard.polyglot;

import static switchyard.polyglot.Check.check;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.protobuf.util.JsonFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import switchyard.v1.Open;
import switchyard.v1.Opened;
import switchyard.v1.OutputPosition;
import switchyard.v1.ToolCall;

/** From steps of the table to messages of the stubs. */
final class Messages {
  static Open open(Step step, String trajectoryId, String resumeToken) {
    Open.Builder open =
        Open.newBuilder()
            .setTrajectoryId(step.text("trajectory_id", trajectoryId))
            .setResumeToken(step.text("resume_token", resumeToken))
            .setGroup(step.text("group", ""))
            .setPool(step.text("pool", ""))
            .setAcquireSlot(step.flag("acquire_slot", false))
            .setRequireResume(step.flag("require_resume", false));
    step.object("env").entrySet().forEach(each -> open.putEnv(each.getKey(), each.getValue().getAsString()));
    for (JsonElement each : step.list("output_positions")) {
      JsonObject position = each.getAsJsonObject();
      open.addOutputPositions(
          OutputPosition.newBuilder()
              .setUniqId(position.get("uniq_id").getAsString())
              .setStdoutOffset(position.get("stdout_offset").getAsLong())
              .setStderrOffset(position.get("stderr_offset").getAsLong()));
    }
    if (step.has("lease_s")) open.setLease(step.duration("lease_s"));
    return open.build();
  }

  static ToolCall call(Step step) throws InvalidProtocolBufferException {
    Struct.Builder arguments = Struct.newBuilder();
    JsonFormat.parser().merge(step.object("arguments").toString(), arguments);
    if (step.has("repeat")) {
      JsonObject repeat = step.object("repeat");
      String text = repeat.get("text").getAsString().repeat(repeat.get("times").getAsInt());
      arguments.putFields(repeat.get("argument").getAsString(), Value.newBuilder().setStringValue(text).build());
    }
    ToolCall.Builder call =
        ToolCall.newBuilder()
            .setUniqId(step.text("uniq_id", ""))
            .setName(step.text("name", ""))
            .setArguments(arguments)
            .setStreamOutput(step.flag("stream_output", false));
    if (step.has("timeout_s")) call.setTimeout(step.duration("timeout_s"));
    if (step.has("queue_timeout_s")) call.setQueueTimeout(step.duration("queue_timeout_s"));
    if (step.has("no_output_timeout_s")) call.setNoOutputTimeout(step.duration("no_output_timeout_s"));
    if (step.has("slot_generation")) call.setSlotGeneration((int) step.number("slot_generation", 0));
    return call.build();
  }

  static void checkOpened(Opened opened, Step step) throws Mismatch {
    check("resumed", opened.getResumed(), step.flag("resumed", false));
    check("epoch", opened.getEpoch(), step.number("epoch", opened.getEpoch()));
    long generation = opened.getSlotGeneration();
    check("slot_generation", generation, step.number("slot_generation", generation));
    if (step.has("lease_s")) check("lease", opened.getLease(), step.duration("lease_s"));
    if (!step.has("known")) return;
    Map<String, String> known = new HashMap<>();
    opened.getKnownList().forEach(call -> known.put(call.getUniqId(), call.getState().name()));
    Map<String, String> expected = new HashMap<>();
    step.object("known").entrySet().forEach(each -> expected.put(each.getKey(), each.getValue().getAsString()));
    check("known", known, expected);
  }

  /** The bytes that a step names; `archive` is the last one that was downloaded. */
  static byte[] content(Step step, byte[] archive) throws Mismatch {
    JsonObject content = step.object("content");
    if (content.has("text")) return content.get("text").getAsString().getBytes(StandardCharsets.UTF_8);
    if (content.has("archive")) return archive;
    if (!content.has("random")) throw new Mismatch("this client does not know the content " + content);
    JsonObject random = content.getAsJsonObject("random");
    int bytes = random.get("bytes").getAsInt();
    ByteBuffer words = ByteBuffer.allocate(bytes + 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int state = random.get("seed").getAsInt(); words.position() < bytes; ) {
      state = state * 1664525 + 1013904223;
      words.putInt(state);
    }
    return Arrays.copyOf(words.array(), bytes);
  }

  private Messages() {}
}
