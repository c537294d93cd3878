package switchyard.polyglot;

import static switchyard.polyglot.Check.check;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import switchyard.v1.ArchiveArtifactsRequest;
import switchyard.v1.ArchiveArtifactsResponse;
import switchyard.v1.ArchiveArtifactsTrailer;
import switchyard.v1.ArtifactEntry;
import switchyard.v1.ArtifactServiceGrpc;
import switchyard.v1.ArtifactServiceGrpc.ArtifactServiceStub;
import switchyard.v1.ArtifactUploadKind;
import switchyard.v1.ListArtifactsRequest;
import switchyard.v1.ListArtifactsResponse;
import switchyard.v1.ReadArtifactHeader;
import switchyard.v1.ReadArtifactRequest;
import switchyard.v1.ReadArtifactResponse;
import switchyard.v1.ReadArtifactTrailer;
import switchyard.v1.WriteArtifactHeader;
import switchyard.v1.WriteArtifactRequest;
import switchyard.v1.WriteArtifactResponse;

/** The transfers: chunks up and down, their digests, and archives. */
final class Artifacts {
  private final Requests requests;
  private byte[] archive = {};

  Artifacts(Requests requests) {
    this.requests = requests;
  }

  void write(Step step) throws Exception {
    byte[] data = Messages.content(step, archive);
    boolean isArchive = step.object("content").has("archive");
    String kind = isArchive ? "ARTIFACT_UPLOAD_KIND_TAR_GZ" : "ARTIFACT_UPLOAD_KIND_FILE";
    WriteArtifactHeader.Builder header =
        WriteArtifactHeader.newBuilder()
            .setTrajectoryId(requests.trajectoryId())
            .setResumeToken(requests.tokenOf(step))
            .setPath(step.text("path", ""))
            .setKind(ArtifactUploadKind.valueOf(step.text("kind", kind)));
    if (step.has("mode")) header.setMode((int) step.number("mode", 0));
    List<WriteArtifactRequest> messages = new ArrayList<>();
    messages.add(WriteArtifactRequest.newBuilder().setHeader(header).build());
    int size = (int) step.number("chunk_bytes", 65_536);
    for (int begin = 0; begin < data.length; begin += size) {
      ByteString chunk = ByteString.copyFrom(data, begin, Math.min(size, data.length - begin));
      messages.add(WriteArtifactRequest.newBuilder().setData(chunk).build());
    }
    WriteArtifactResponse response = requests.ask(step, ArtifactServiceGrpc::newStub, stub -> upload(stub, messages));
    if (response == null) return;
    check("sha256", response.getSha256(), ByteString.copyFrom(Check.sha256().digest(data)));
    check("entries", response.getEntries(), step.number("entries", response.getEntries()));
  }

  private static WriteArtifactResponse upload(ArtifactServiceStub stub, List<WriteArtifactRequest> messages)
      throws Exception {
    CompletableFuture<WriteArtifactResponse> answer = new CompletableFuture<>();
    StreamObserver<WriteArtifactRequest> upload =
        stub.writeArtifact(
            new StreamObserver<>() {
              @Override
              public void onNext(WriteArtifactResponse response) {
                answer.complete(response);
              }

              @Override
              public void onError(Throwable error) {
                answer.completeExceptionally(error);
              }

              @Override
              public void onCompleted() {
                answer.completeExceptionally(Status.INTERNAL.withDescription("no answer came").asException());
              }
            });
    messages.forEach(upload::onNext);
    upload.onCompleted();
    try {
      return answer.get();
    } catch (ExecutionException failure) {
      if (failure.getCause() instanceof Exception cause) throw cause;
      throw failure;
    }
  }

  void read(Step step) throws Exception {
    ReadArtifactRequest request =
        ReadArtifactRequest.newBuilder()
            .setTrajectoryId(requests.trajectoryId())
            .setResumeToken(requests.tokenOf(step))
            .setPath(step.text("path", ""))
            .setOffset(step.number("offset", 0))
            .setMaxBytes(step.number("max_bytes", 0))
            .build();
    List<ReadArtifactResponse> parts =
        requests.ask(step, ArtifactServiceGrpc::newBlockingStub, stub -> all(stub.readArtifact(request)));
    if (parts == null) return;
    int last = parts.size() - 1;
    if (last < 1 || !parts.get(0).hasHeader() || !parts.get(last).hasTrailer()) {
      throw new Mismatch("the first message is no header, or the last one no trailer");
    }
    ReadArtifactHeader header = parts.get(0).getHeader();
    ReadArtifactTrailer trailer = parts.get(last).getTrailer();
    List<ByteString> chunks = parts.subList(1, last).stream().map(ReadArtifactResponse::getData).toList();
    byte[] data = joined(chunks, trailer.getBytes(), trailer.getSha256());
    check("whether it is as it should be", Arrays.equals(data, Messages.content(step, archive)), true);
    check("size", header.getSize(), step.number("size", header.getSize()));
    check("mode", (long) header.getMode(), step.number("mode", header.getMode()));
    check("mime_type", header.getMimeType(), step.text("mime_type", header.getMimeType()));
    check("truncated", trailer.getTruncated(), step.flag("truncated", trailer.getTruncated()));
  }

  void archive(Step step) throws Exception {
    ArchiveArtifactsRequest request =
        ArchiveArtifactsRequest.newBuilder()
            .setTrajectoryId(requests.trajectoryId())
            .setResumeToken(requests.tokenOf(step))
            .setPath(step.text("path", ""))
            .build();
    List<ArchiveArtifactsResponse> parts =
        requests.ask(step, ArtifactServiceGrpc::newBlockingStub, stub -> all(stub.archiveArtifacts(request)));
    if (parts == null) return;
    int last = parts.size() - 1;
    if (last < 0 || !parts.get(last).hasTrailer()) throw new Mismatch("the last message is no trailer");
    ArchiveArtifactsTrailer trailer = parts.get(last).getTrailer();
    List<ByteString> chunks = parts.subList(0, last).stream().map(ArchiveArtifactsResponse::getData).toList();
    archive = joined(chunks, trailer.getBytes(), trailer.getSha256());
    List<String> members = TarGz.members(archive);
    check("members", members.stream().sorted().toList(), step.texts("members").stream().sorted().toList());
    check("trailer.entries", trailer.getEntries(), (long) members.size());
  }

  void list(Step step) throws Exception {
    ListArtifactsRequest request =
        ListArtifactsRequest.newBuilder()
            .setTrajectoryId(requests.trajectoryId())
            .setResumeToken(requests.tokenOf(step))
            .setPath(step.text("path", ""))
            .setRecursive(step.flag("recursive", false))
            .build();
    ListArtifactsResponse response =
        requests.ask(step, ArtifactServiceGrpc::newBlockingStub, stub -> stub.listArtifacts(request));
    if (response == null) return;
    JsonArray entries = new JsonArray();
    for (ArtifactEntry entry : response.getEntriesList()) {
      JsonObject json = new JsonObject();
      json.addProperty("path", entry.getPath());
      json.addProperty("type", entry.getType().name());
      json.addProperty("size", entry.getSize());
      entries.add(json);
    }
    check("entries", entries, step.list("entries"));
  }

  private static <T> List<T> all(Iterator<T> messages) {
    List<T> all = new ArrayList<>();
    messages.forEachRemaining(all::add);
    return all;
  }

  private static byte[] joined(List<ByteString> chunks, long bytes, ByteString sha256) throws Mismatch {
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    for (ByteString chunk : chunks) {
      check("whether a chunk has 1 to 65536 bytes", !chunk.isEmpty() && chunk.size() <= 65_536, true);
      data.writeBytes(chunk.toByteArray());
    }
    check("trailer.bytes", bytes, (long) data.size());
    check("trailer.sha256", sha256, ByteString.copyFrom(Check.sha256().digest(data.toByteArray())));
    return data.toByteArray();
  }
}
