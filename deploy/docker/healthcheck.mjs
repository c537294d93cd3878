// The image's HEALTHCHECK: whether the server says at http.listen that it takes calls. One line and exit 1 where not.
const listen = process.env.SWITCHYARD_HTTP_LISTEN ?? "";
const address = listen.replace(/^(0\.0\.0\.0|\[::\]):/, "127.0.0.1:");

try {
  if (address === "") throw new Error("SWITCHYARD_HTTP_LISTEN is empty; run the container with --no-healthcheck");
  const answer = await fetch(`http://${address}/readyz`, { signal: AbortSignal.timeout(4000) });
  console.log((await answer.text()).trim());
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.log(error.cause?.message ?? error.message);
  process.exitCode = 1;
}
