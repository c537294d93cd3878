package switchyard.polyglot;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Plays scenarios of the table against a server and prints a line of JSON for each; ../README.md has the words of the table. */
public final class Main {
  private static final List<String> FLAGS = List.of("--address", "--scenarios", "--ca", "--token", "--only");

  public static void main(String[] args) throws Exception {
    Map<String, String> flags = new HashMap<>();
    for (int at = 0; at + 1 < args.length; at += 2) {
      if (!FLAGS.contains(args[at])) throw new IllegalArgumentException("there is no flag " + args[at]);
      flags.put(args[at], args[at + 1]);
    }
    File ca = flags.containsKey("--ca") ? new File(flags.get("--ca")) : null;
    Dialer dialer = new Dialer(flags.get("--address"), ca, flags.get("--token"));
    List<String> only = flags.containsKey("--only") ? List.of(flags.get("--only").split(",")) : null;
    String table = Files.readString(Path.of(flags.get("--scenarios")), StandardCharsets.UTF_8);
    for (JsonElement each : JsonParser.parseString(table).getAsJsonObject().getAsJsonArray("scenarios")) {
      JsonObject scenario = each.getAsJsonObject();
      if (only == null || only.contains(scenario.get("name").getAsString())) report(dialer, scenario);
    }
    System.exit(0); // Threads of connections that were cut may take their time.
  }

  private static void report(Dialer dialer, JsonObject scenario) {
    long begin = System.nanoTime();
    String name = scenario.get("name").getAsString();
    String error = "";
    try (Player player = new Player(dialer, name)) {
      player.play(scenario.getAsJsonArray("steps"));
    } catch (Exception failure) {
      error = failure instanceof Mismatch ? failure.getMessage() : failure.toString();
    }
    JsonObject line = new JsonObject();
    line.addProperty("scenario", name);
    line.addProperty("ok", error.isEmpty());
    line.addProperty("error", error);
    line.addProperty("ms", (System.nanoTime() - begin) / 1_000_000);
    System.out.println(line);
  }

  private Main() {}
}
