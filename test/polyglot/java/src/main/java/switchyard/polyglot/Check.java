package switchyard.polyglot;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Struct;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;
import java.util.Objects;
import switchyard.v1.ToolResult;

/** Holds what came against what the table says. */
final class Check {
  static void check(String what, Object got, Object expected) throws Mismatch {
    if (!Objects.equals(got, expected)) throw new Mismatch(what + " is " + brief(got) + ", not " + brief(expected));
  }

  private static String brief(Object value) {
    String text = String.valueOf(value);
    return text.length() <= 300 ? text : text.substring(0, 300) + "... (" + text.length() + " characters)";
  }

  /** `expected` has a `code`, and a `reason` if there is one. */
  static void error(Throwable error, JsonObject expected) throws Mismatch, InvalidProtocolBufferException {
    Status status = Status.fromThrowable(error);
    check("code (" + status.getDescription() + ")", status.getCode().name(), expected.get("code").getAsString());
    if (!expected.has("reason")) return;
    com.google.rpc.Status details = StatusProto.fromThrowable(error);
    if (details == null || details.getDetailsCount() != 1 || !details.getDetails(0).is(ErrorInfo.class)) {
      throw new Mismatch("the details are not one ErrorInfo: " + details);
    }
    ErrorInfo info = details.getDetails(0).unpack(ErrorInfo.class);
    check("domain", info.getDomain(), "switchyard");
    check("reason", info.getReason(), expected.get("reason").getAsString());
  }

  /** `expected` may name some fields only; of metadata some entries only. */
  static void result(ToolResult result, JsonObject expected) throws Mismatch, InvalidProtocolBufferException {
    for (Map.Entry<String, JsonElement> field : expected.entrySet()) {
      String what = result.getUniqId() + ": " + field.getKey() + " (error: " + brief(result.getError()) + ")";
      switch (field.getKey()) {
        case "metadata" -> {
          JsonObject metadata = json(result.getMetadata());
          for (Map.Entry<String, JsonElement> entry : field.getValue().getAsJsonObject().entrySet()) {
            check(what + "." + entry.getKey(), metadata.get(entry.getKey()), entry.getValue());
          }
        }
        case "output_repeat" -> {
          JsonObject output = field.getValue().getAsJsonObject();
          check(what, result.getOutput(), output.get("text").getAsString().repeat(output.get("times").getAsInt()));
        }
        default -> check(what, field(result, field.getKey()), field.getValue());
      }
    }
  }

  private static JsonElement field(ToolResult result, String name) throws Mismatch {
    return switch (name) {
      case "status" -> new JsonPrimitive(result.getStatus().name());
      case "fault" -> new JsonPrimitive(result.getFault().name());
      case "success" -> new JsonPrimitive(result.getSuccess());
      case "output" -> new JsonPrimitive(result.getOutput());
      case "error" -> new JsonPrimitive(result.getError());
      case "exit_code" -> result.hasExitCode() ? new JsonPrimitive(result.getExitCode()) : JsonNull.INSTANCE;
      case "signal" -> new JsonPrimitive(result.getSignal());
      case "output_bytes_total" -> new JsonPrimitive(result.getOutputBytesTotal());
      case "truncated" -> new JsonPrimitive(result.getTruncated());
      case "slot_generation" -> new JsonPrimitive(result.getSlotGeneration());
      default -> throw new Mismatch("this client does not know the field " + name + " of a result");
    };
  }

  static JsonObject json(Struct struct) throws InvalidProtocolBufferException {
    return JsonParser.parseString(JsonFormat.printer().print(struct)).getAsJsonObject();
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private Check() {}
}
