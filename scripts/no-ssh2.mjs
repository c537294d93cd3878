// Stands for ssh2 in the bundle of dockerode (bundle.mjs): src/backend/docker/dockerode.ts refuses DOCKER_HOST=ssh://, so
// nobody asks for more than the name.
export const Client = undefined;
