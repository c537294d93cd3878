package switchyard.polyglot;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Duration;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The words of a step of a scenario. One that this client does not know is an error. */
record Step(JsonObject json) {
  private static final Set<String> WORDS =
      Set.of(
          ("op stream bearer uniq_id uniq_ids name arguments repeat timeout_s queue_timeout_s no_output_timeout_s"
                  + " stream_output slot_generation deadline_s trajectory_id resume_token group pool env acquire_slot"
                  + " require_resume lease_s output_positions reset_workspace resumed epoch known result status fault"
                  + " channel text bytes sha256 code reason error wiped released tool external required service path"
                  + " content chunk_bytes kind mode entries offset max_bytes size mime_type truncated recursive members")
              .split(" "));

  static Step of(JsonElement json) throws Mismatch {
    JsonObject step = json.getAsJsonObject();
    for (String word : step.keySet()) {
      if (!WORDS.contains(word)) throw new Mismatch("this client does not know the word " + word + " of a step");
    }
    return new Step(step);
  }

  boolean has(String word) {
    return json.has(word);
  }

  String text(String word, String otherwise) {
    return has(word) ? json.get(word).getAsString() : otherwise;
  }

  long number(String word, long otherwise) {
    return has(word) ? json.get(word).getAsLong() : otherwise;
  }

  boolean flag(String word, boolean otherwise) {
    return has(word) ? json.get(word).getAsBoolean() : otherwise;
  }

  JsonObject object(String word) {
    return has(word) ? json.getAsJsonObject(word) : new JsonObject();
  }

  JsonArray list(String word) {
    return has(word) ? json.getAsJsonArray(word) : new JsonArray();
  }

  List<String> texts(String word) {
    List<String> texts = new ArrayList<>();
    list(word).forEach(each -> texts.add(each.getAsString()));
    return texts;
  }

  Duration duration(String word) {
    BigDecimal seconds = json.get(word).getAsBigDecimal();
    long whole = seconds.longValue();
    int nanos = seconds.subtract(BigDecimal.valueOf(whole)).movePointRight(9).intValue();
    return Duration.newBuilder().setSeconds(whole).setNanos(nanos).build();
  }
}
