package switchyard.polyglot;

import static switchyard.polyglot.Check.check;

import com.google.gson.JsonObject;
import io.grpc.ManagedChannel;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.AbstractStub;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import switchyard.v1.ExecuteRequest;
import switchyard.v1.ExecuteResponse;
import switchyard.v1.GetStatusRequest;
import switchyard.v1.GetStatusResponse;
import switchyard.v1.ListToolsRequest;
import switchyard.v1.ListToolsResponse;
import switchyard.v1.ReleaseTrajectoryRequest;
import switchyard.v1.ReleaseTrajectoryResponse;
import switchyard.v1.Tool;
import switchyard.v1.ToolExecutorServiceGrpc;

/** The steps without a stream of the scenario's own. */
record Requests(Dialer dialer, String trajectoryId, String resumeToken) {
  /** What is asked of a stub. */
  interface Question<S, A> {
    A ask(S stub) throws Exception;
  }

  /** Asks on a connection of its own; null when the error came that the step expects. */
  <S extends AbstractStub<S>, A> A ask(Step step, Function<ManagedChannel, S> stubOf, Question<S, A> question)
      throws Exception {
    ManagedChannel channel = dialer.connect();
    try {
      long deadlineMs = step.has("deadline_s") ? step.duration("deadline_s").getSeconds() * 1000 : Dialer.DEADLINE_MS;
      S stub = dialer.authorized(stubOf.apply(channel), step).withDeadlineAfter(deadlineMs, TimeUnit.MILLISECONDS);
      A answer = question.ask(stub);
      if (step.has("error")) throw new Mismatch("it succeeded instead of failing with " + step.object("error"));
      return answer;
    } catch (StatusException | StatusRuntimeException error) {
      if (!step.has("error")) throw error;
      Check.error(error, step.object("error"));
      return null;
    } finally {
      channel.shutdownNow();
    }
  }

  String tokenOf(Step step) {
    return step.text("resume_token", resumeToken);
  }

  void execute(Step step) throws Exception {
    ExecuteRequest request =
        ExecuteRequest.newBuilder()
            .setTrajectoryId(trajectoryId)
            .setResumeToken(tokenOf(step))
            .setCall(Messages.call(step))
            .build();
    ExecuteResponse response = ask(step, ToolExecutorServiceGrpc::newBlockingStub, stub -> stub.execute(request));
    if (response != null) Check.result(response.getResult(), step.object("result"));
  }

  void releaseTrajectory(Step step) throws Exception {
    ReleaseTrajectoryRequest.Builder request =
        ReleaseTrajectoryRequest.newBuilder()
            .setTrajectoryId(trajectoryId)
            .setResumeToken(tokenOf(step))
            .setResetWorkspace(step.flag("reset_workspace", false));
    if (step.has("group")) request.setGroup(step.text("group", ""));
    ReleaseTrajectoryResponse response =
        ask(step, ToolExecutorServiceGrpc::newBlockingStub, stub -> stub.releaseTrajectory(request.build()));
    if (response == null) return;
    check("released", (long) response.getReleased(), step.number("released", 0));
    check("wiped", response.getWiped(), step.flag("wiped", false));
  }

  void listTools(Step step) throws Exception {
    ListToolsRequest request = ListToolsRequest.getDefaultInstance();
    ListToolsResponse response = ask(step, ToolExecutorServiceGrpc::newBlockingStub, stub -> stub.listTools(request));
    String name = step.text("tool", "");
    Tool tool = response.getToolsList().stream().filter(each -> each.getName().equals(name)).findAny().orElse(null);
    if (tool == null) throw new Mismatch(name + " is not among the tools");
    check("external", tool.getExternal(), step.flag("external", false));
    JsonObject parameters = Check.json(tool.getParameters());
    check("parameters.type", parameters.get("type").getAsString(), "object");
    List<String> required = new ArrayList<>();
    parameters.getAsJsonArray("required").forEach(each -> required.add(each.getAsString()));
    check("parameters.required", required.stream().sorted().toList(), step.texts("required").stream().sorted().toList());
  }

  void getStatus(Step step) throws Exception {
    GetStatusRequest request = GetStatusRequest.getDefaultInstance();
    GetStatusResponse response = ask(step, ToolExecutorServiceGrpc::newBlockingStub, stub -> stub.getStatus(request));
    boolean isNamed = !response.getVersion().isEmpty() && !response.getServerId().isEmpty();
    check("whether it has a version and an id", isNamed, true);
    String name = step.text("pool", "");
    boolean hasSlots =
        response.getPoolsList().stream().anyMatch(pool -> pool.getName().equals(name) && pool.getSlotsTotal() > 0);
    check("whether the pool has slots", hasSlots, true);
  }

  void health(Step step) throws Exception {
    HealthCheckRequest request = HealthCheckRequest.newBuilder().setService(step.text("service", "")).build();
    HealthCheckResponse response = ask(step, HealthGrpc::newBlockingStub, stub -> stub.check(request));
    if (response != null) check("status", response.getStatus().name(), step.text("status", ""));
  }
}
