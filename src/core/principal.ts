// Who a request comes from: the name of its bearer token, else of its client certificate. A principal sees its own
// trajectories only.

export type Principal = string;

/** Everyone who reaches a server without authentication. */
export const ANYONE: Principal = "";
