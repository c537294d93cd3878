//! Generates the stubs from the repository's proto folder, without protoc.
use std::error::Error;

const PROTO: &str = "../../../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let files = protox::compile(
        ["switchyard/v1/tool_executor_service.proto", "switchyard/v1/artifact_service.proto"],
        [PROTO],
    )?;
    tonic_prost_build::configure().build_server(false).compile_fds(files)?;
    Ok(())
}
