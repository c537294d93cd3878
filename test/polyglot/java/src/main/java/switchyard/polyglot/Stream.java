package switchyard.polyglot;

import static switchyard.polyglot.Check.check;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import switchyard.v1.Opened;
import switchyard.v1.Output;
import switchyard.v1.OutputChannel;
import switchyard.v1.Rejected;
import switchyard.v1.Released;
import switchyard.v1.RunTrajectoryRequest;
import switchyard.v1.RunTrajectoryResponse;
import switchyard.v1.ToolExecutorServiceGrpc;
import switchyard.v1.ToolResult;

/** One RunTrajectory and all that has come on it so far. */
final class Stream implements StreamObserver<RunTrajectoryResponse> {
  private final ManagedChannel channel;
  private final StreamObserver<RunTrajectoryRequest> requests;
  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();

  private final List<Opened> opened = new ArrayList<>();
  private final List<ToolResult> results = new ArrayList<>();
  private final List<Rejected> rejected = new ArrayList<>();
  private final List<Released> released = new ArrayList<>();
  private final Map<PieceKey, Piece> output = new HashMap<>();
  private boolean ended;
  private Throwable error; // Why it ended; null: with OK.

  /** A frame, or the end when there is none. */
  private record Event(RunTrajectoryResponse frame, Throwable error) {}

  private record PieceKey(String uniqId, OutputChannel channel) {}

  private record Piece(long offset, ByteArrayOutputStream data) {}

  Stream(Dialer dialer, Step step) {
    channel = dialer.connect();
    requests = dialer.authorized(ToolExecutorServiceGrpc.newStub(channel), step).runTrajectory(this);
  }

  @Override
  public void onNext(RunTrajectoryResponse frame) {
    events.add(new Event(frame, null));
  }

  @Override
  public void onError(Throwable error) {
    events.add(new Event(null, error));
  }

  @Override
  public void onCompleted() {
    events.add(new Event(null, null));
  }

  void send(RunTrajectoryRequest.Builder frame) {
    requests.onNext(frame.build());
  }

  void halfClose() {
    requests.onCompleted();
  }

  /** Cancels what runs on the connection and closes it. */
  void cut() {
    channel.shutdownNow();
  }

  /** Reads on until `found` says yes. */
  private void until(String what, BooleanSupplier found) throws Mismatch, InterruptedException {
    while (!found.getAsBoolean()) {
      if (ended) throw new Mismatch("the stream ended (" + error + ") before " + what + " came");
      Event event = events.poll(Dialer.DEADLINE_MS, TimeUnit.MILLISECONDS);
      if (event == null) throw new Mismatch("nothing came for 60 s, waiting for " + what);
      take(event);
    }
  }

  private void take(Event event) throws Mismatch {
    if (event.frame == null) {
      ended = true;
      error = event.error;
      return;
    }
    switch (event.frame.getFrameCase()) {
      case OPENED -> opened.add(event.frame.getOpened());
      case OUTPUT -> append(event.frame.getOutput());
      case RESULT -> results.add(event.frame.getResult());
      case REJECTED -> rejected.add(event.frame.getRejected());
      case RELEASED -> released.add(event.frame.getReleased());
      default -> {}
    }
  }

  private void append(Output piece) throws Mismatch {
    PieceKey key = new PieceKey(piece.getUniqId(), piece.getChannel());
    Piece got = output.computeIfAbsent(key, absent -> new Piece(piece.getOffset(), new ByteArrayOutputStream()));
    check("missing", piece.getMissing(), 0L);
    check("offset", piece.getOffset(), got.offset + got.data.size());
    got.data.writeBytes(piece.getData().toByteArray());
  }

  void expectOpened(Step step) throws Mismatch, InterruptedException {
    until("opened", () -> !opened.isEmpty());
    Messages.checkOpened(opened.get(0), step);
  }

  void expectOutput(Step step) throws Mismatch, InterruptedException {
    PieceKey key = new PieceKey(step.text("uniq_id", ""), OutputChannel.valueOf(step.text("channel", "")));
    byte[] text = step.has("text") ? step.text("text", "").getBytes(StandardCharsets.UTF_8) : null;
    long length = text == null ? step.number("bytes", 0) : text.length;
    until("its output", () -> output.containsKey(key) && output.get(key).data.size() >= length);
    Piece got = output.get(key);
    check("offset", got.offset, step.number("offset", 0));
    if (text != null) {
      check("output", got.data.toString(StandardCharsets.UTF_8), step.text("text", ""));
    } else {
      String sha256 = HexFormat.of().formatHex(Check.sha256().digest(got.data.toByteArray()));
      check("sha256 of output", sha256, step.text("sha256", ""));
    }
  }

  void expectResult(Step step) throws Mismatch, InterruptedException, InvalidProtocolBufferException {
    String uniqId = step.text("uniq_id", "");
    until("its result", () -> results.stream().anyMatch(each -> each.getUniqId().equals(uniqId)));
    ToolResult first = results.stream().filter(each -> each.getUniqId().equals(uniqId)).findFirst().orElseThrow();
    Check.result(first, step.object("result"));
  }

  void expectRejected(Step step) throws Mismatch, InterruptedException {
    String uniqId = step.text("uniq_id", "");
    until("its rejection", () -> rejected.stream().anyMatch(each -> each.getUniqId().equals(uniqId)));
    Rejected first = rejected.stream().filter(each -> each.getUniqId().equals(uniqId)).findFirst().orElseThrow();
    check("status", first.getStatus().name(), step.text("status", ""));
    check("fault", first.getFault().name(), step.text("fault", ""));
    check("whether there is an error text", !first.getError().isEmpty(), true);
  }

  void expectReleased(Step step) throws Mismatch, InterruptedException {
    until("released", () -> !released.isEmpty());
    check("wiped", released.get(0).getWiped(), step.flag("wiped", false));
  }

  void expectEnd(Step step) throws Mismatch, InterruptedException, InvalidProtocolBufferException {
    until("its end", () -> ended);
    if (error == null) check("code", "OK", step.text("code", ""));
    else Check.error(error, step.json());
  }

  void expectOrder(Step step) throws Mismatch {
    check("results", results.stream().map(ToolResult::getUniqId).toList(), step.texts("uniq_ids"));
  }
}
