// What `switchyard doctor --help` says beside its options; apart from what the doctor needs, which takes a second to load.

export const DOCTOR_HELP = `Takes the configuration that serve takes (switchyard serve --help lists its options) and tries it: a container of each
pool is started, has to prove its isolation, runs one call and is removed. A missing default image is built, and the
runtime volume made, as the server would. A server that runs here is not disturbed.

Each check is ok, a note (good to know), a warning (weaker or riskier than it could be) or a problem.
Exit code: 0 when the pools can run, warnings or not; 1 when there is a problem; 2 when it could not finish.`;
