// How the harness reaches its target: plain grpc-js clients with the target's credentials.
import { readFileSync } from "node:fs";
import { type ChannelCredentials, Client, credentials, Metadata } from "@grpc/grpc-js";
import { messageOf } from "../core/errors.js";
import { type Target, TOKEN_VARIABLE } from "./plan.js";
import { usage } from "./quantity.js";

/** As the client library's: with HTTP/2's own 64 KiB a stream of output would wait for the harness after each. */
const WINDOW_BYTES = 1024 * 1024;

/** Throws CONFIG_INVALID for a file that cannot be read, naming it. */
export function connect(target: Target): Client {
  const override = target.serverName;
  return new Client(target.address, credentialsOf(target), {
    "grpc.use_local_subchannel_pool": 1, // Else all channels of a process share one connection.
    "grpc.enable_retries": 0,
    "grpc.enable_channelz": 0,
    "grpc-node.flow_control_window": WINDOW_BYTES,
    "grpc.max_receive_message_length": -1,
    ...(override !== undefined && { "grpc.ssl_target_name_override": override, "grpc.default_authority": override }),
  });
}

/** What goes with every request. */
export function requestMetadata(target: Target): Metadata {
  const metadata = new Metadata();
  const token = tokenOf(target);
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

function tokenOf({ tokenFile, tokenFromEnv }: Target): string | undefined {
  if (tokenFile !== undefined) return contentOf("--token-file", tokenFile).toString().trim();
  return tokenFromEnv ? process.env[TOKEN_VARIABLE] : undefined;
}

function credentialsOf({ tls, caFile, certFile, keyFile }: Target): ChannelCredentials {
  if (!tls) return credentials.createInsecure();
  const file = (flag: string, path: string | undefined) => (path === undefined ? null : contentOf(flag, path));
  try {
    return credentials.createSsl(file("--ca", caFile), file("--key", keyFile), file("--cert", certFile));
  } catch (error) {
    throw usage(`the TLS files do not fit: ${messageOf(error)}`, error);
  }
}

function contentOf(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw usage(`${flag}: ${messageOf(error)}`, error);
  }
}
