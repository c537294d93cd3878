// The JSON Schema of the configuration file, for editors: what is allowed, and what each option is.
import { z } from "zod";
import { configSchema } from "./schema.js";

export function configJsonSchema(): object {
  const schema = z.toJSONSchema(configSchema, {
    io: "input",
    // Our own keywords become words: an editor shows the description.
    override: ({ jsonSchema }) => {
      const { description, expects } = jsonSchema;
      if (typeof expects === "string") jsonSchema.description = `${description} (${expects})`;
      delete jsonSchema.expects;
      delete jsonSchema.secret;
    },
  });
  return { title: "Configuration of switchyard serve", ...schema };
}
