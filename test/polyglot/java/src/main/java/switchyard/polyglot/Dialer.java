package switchyard.polyglot;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.AbstractStub;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;

/** Makes connections: each stream and each request has one of its own. */
final class Dialer {
  /** Of a test that waits for what never comes; a real client gives its stream no deadline. */
  static final long DEADLINE_MS = 60_000;

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final String address;
  private final ChannelCredentials credentials;
  private final String token;

  Dialer(String address, File ca, String token) throws IOException {
    this.address = address;
    this.credentials =
        ca == null ? InsecureChannelCredentials.create() : TlsChannelCredentials.newBuilder().trustManager(ca).build();
    this.token = token == null ? "" : token;
  }

  ManagedChannel connect() {
    return Grpc.newChannelBuilder(address, credentials).build();
  }

  /** The step's `bearer` goes before the token; an empty one is none. */
  <S extends AbstractStub<S>> S authorized(S stub, Step step) {
    String bearer = step.text("bearer", token);
    if (bearer.isEmpty()) return stub;
    Metadata headers = new Metadata();
    headers.put(AUTHORIZATION, "Bearer " + bearer);
    return stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
  }
}
