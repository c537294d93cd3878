// Options of authentication: the bearer tokens that clients may use, each with a name and with limits of its own.
import { z } from "zod";
import { number, whole } from "./fields.js";

export const TOKEN_NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** Of tokens that `switchyard token` makes: so they are found where they do not belong. */
export const TOKEN_PREFIX = "swy_";
/** RFC 3339, with the letters in capitals. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
/** Each request is compared with all of them. */
const TOKENS_MAX = 1000;

const token = z.strictObject({
  name: z.string().regex(TOKEN_NAME).meta({
    description: "Whose requests they are that come with it; its trajectories are its own",
    expects: "1 to 64 of A-Z a-z 0-9 . _ -",
  }),
  sha256: z
    .string()
    .regex(/^[0-9A-Fa-f]{64}$/)
    .meta({
      description: "SHA-256 of the token; `switchyard token` makes both",
      expects: "64 hexadecimal digits, as `switchyard token` prints them",
      secret: true,
    }),
  expires: z
    .string()
    .refine((value) => value === "" || (TIME.test(value) && !Number.isNaN(Date.parse(value))))
    .default("")
    .meta({
      description: "From when on it is refused; never when empty",
      expects: 'a time such as 2030-01-31T00:00:00Z, or ""',
    }),
  streams_max: whole(0, 0, 1_000_000, "Live streams of its trajectories; 0 is no limit"),
  slots_max: whole(0, 0, 1_000_000, "Slots that its trajectories have at once, others wait; 0 is no limit"),
  calls_per_s: number(0, 0, 1_000_000, "Calls that it may begin in a second, others are rejected; 0 is no limit"),
});

export const auth = z.strictObject({
  tokens: z
    .array(token)
    .max(TOKENS_MAX)
    .default([])
    .meta({
      description: "Bearer tokens that clients may use; none asks for none",
      expects: `a list of at most ${TOKENS_MAX} tokens in the configuration file, each with name and sha256`,
      secret: true,
    }),
});
