//! The transfers: chunks up and down, their digests, and archives.
use std::io::Read;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tonic::{Response, Status, Streaming};

use crate::Outcome;
use crate::check::check;
use crate::messages::content_of;
use crate::player::Player;
use crate::step::{Content, Entry, Step};
use crate::v1::archive_artifacts_response::Part as ArchivePart;
use crate::v1::artifact_service_client::ArtifactServiceClient;
use crate::v1::read_artifact_response::Part as ReadPart;
use crate::v1::write_artifact_request::Part;
use crate::v1::{
    ArchiveArtifactsRequest, ArtifactUploadKind, ListArtifactsRequest, ReadArtifactRequest, WriteArtifactHeader,
    WriteArtifactRequest,
};

impl Player<'_> {
    pub fn write_artifact(&self, step: &Step) -> Outcome {
        let data = content_of(step, &self.archive)?;
        let kind = match (&step.kind, &step.content) {
            (Some(name), _) => ArtifactUploadKind::from_str_name(name).ok_or(format!("there is no kind {name}"))?,
            (None, Some(Content::Archive(_))) => ArtifactUploadKind::TarGz,
            _ => ArtifactUploadKind::File,
        };
        let header = WriteArtifactHeader {
            trajectory_id: self.trajectory_id.clone(),
            resume_token: self.token_of(step),
            path: step.path.clone(),
            kind: kind.into(),
            mode: step.mode,
            ..Default::default()
        };
        let chunks = data.chunks(step.chunk_bytes.unwrap_or(65536)).map(|chunk| Part::Data(chunk.to_vec()));
        let parts: Vec<_> = std::iter::once(Part::Header(header)).chain(chunks).collect();
        let messages = parts.into_iter().map(|part| WriteArtifactRequest { part: Some(part) });
        let answer = self.ask(step, tokio_stream::iter(messages), async |channel, request| {
            ArtifactServiceClient::new(channel).write_artifact(request).await.map(Response::into_inner)
        })?;
        let Some(response) = answer else { return Ok(()) };
        check("sha256", response.sha256.as_slice(), Sha256::digest(&data).as_slice())?;
        check("entries", response.entries, step.entries.as_u64().unwrap_or(response.entries))
    }

    pub fn read_artifact(&self, step: &Step) -> Outcome {
        let request = ReadArtifactRequest {
            trajectory_id: self.trajectory_id.clone(),
            resume_token: self.token_of(step),
            path: step.path.clone(),
            offset: step.offset,
            max_bytes: step.max_bytes,
            ..Default::default()
        };
        let answer = self.ask(step, request, async |channel, request| {
            all_of(ArtifactServiceClient::new(channel).read_artifact(request).await?).await
        })?;
        let Some(messages) = answer else { return Ok(()) };
        let mut parts = messages.into_iter().map(|message| message.part);
        let (Some(Some(ReadPart::Header(header))), Some(Some(ReadPart::Trailer(trailer)))) =
            (parts.next(), parts.next_back())
        else {
            return Err("the first message is no header, or the last one no trailer".into());
        };
        let chunks = parts.map(|part| match part {
            Some(ReadPart::Data(chunk)) => Ok(chunk),
            other => Err(format!("{other:?} between header and trailer")),
        });
        let data = joined(chunks, trailer.bytes, &trailer.sha256)?;
        check("whether it is as it should be", data == content_of(step, &self.archive)?, true)?;
        check("size", header.size, step.size.unwrap_or(header.size))?;
        check("mode", header.mode, step.mode.unwrap_or(header.mode))?;
        check("truncated", trailer.truncated, step.truncated.unwrap_or(trailer.truncated))?;
        check("mime_type", &header.mime_type, step.mime_type.as_ref().unwrap_or(&header.mime_type))
    }

    pub fn archive_artifacts(&mut self, step: &Step) -> Outcome {
        let request = ArchiveArtifactsRequest {
            trajectory_id: self.trajectory_id.clone(),
            resume_token: self.token_of(step),
            path: step.path.clone(),
            ..Default::default()
        };
        let answer = self.ask(step, request, async |channel, request| {
            all_of(ArtifactServiceClient::new(channel).archive_artifacts(request).await?).await
        })?;
        let Some(messages) = answer else { return Ok(()) };
        let mut parts = messages.into_iter().map(|message| message.part);
        let Some(Some(ArchivePart::Trailer(trailer))) = parts.next_back() else {
            return Err("the last message is no trailer".into());
        };
        let chunks = parts.map(|part| match part {
            Some(ArchivePart::Data(chunk)) => Ok(chunk),
            other => Err(format!("{other:?} before the trailer")),
        });
        self.archive = joined(chunks, trailer.bytes, &trailer.sha256)?;
        let members = members_of(&self.archive).map_err(|error| error.to_string())?;
        check("trailer.entries", trailer.entries, members.len() as u64)?;
        let mut expected = step.members.clone();
        expected.sort();
        check("members", members, expected)
    }

    pub fn list_artifacts(&self, step: &Step) -> Outcome {
        let request = ListArtifactsRequest {
            trajectory_id: self.trajectory_id.clone(),
            resume_token: self.token_of(step),
            path: step.path.clone(),
            recursive: step.recursive,
            ..Default::default()
        };
        let answer = self.ask(step, request, async |channel, request| {
            ArtifactServiceClient::new(channel).list_artifacts(request).await.map(Response::into_inner)
        })?;
        let Some(response) = answer else { return Ok(()) };
        let entries = response.entries.iter().map(|entry| Entry {
            path: entry.path.clone(),
            kind: entry.r#type().as_str_name().into(),
            size: entry.size,
        });
        let expected: Vec<Entry> = serde_json::from_value(step.entries.clone()).map_err(|error| error.to_string())?;
        check("entries", entries.collect(), expected)
    }
}

async fn all_of<M>(response: Response<Streaming<M>>) -> Result<Vec<M>, Status> {
    let mut stream = response.into_inner();
    let mut messages = vec![];
    while let Some(message) = stream.message().await? {
        messages.push(message);
    }
    Ok(messages)
}

fn joined(chunks: impl Iterator<Item = Outcome<Vec<u8>>>, bytes: u64, sha256: &[u8]) -> Outcome<Vec<u8>> {
    let mut data = vec![];
    for chunk in chunks {
        let chunk = chunk?;
        check("whether a chunk has 1 to 65536 bytes", (1..=65536).contains(&chunk.len()), true)?;
        data.extend(chunk);
    }
    check("trailer.bytes", bytes, data.len() as u64)?;
    check("trailer.sha256", sha256, Sha256::digest(&data).as_slice())?;
    Ok(data)
}

fn members_of(archive: &[u8]) -> std::io::Result<Vec<String>> {
    let mut unzipped = vec![];
    GzDecoder::new(archive).read_to_end(&mut unzipped)?;
    let mut names = vec![];
    for entry in tar::Archive::new(unzipped.as_slice()).entries()? {
        let name = String::from_utf8_lossy(&entry?.path_bytes()).into_owned();
        names.push(name.trim_end_matches('/').into());
    }
    names.sort();
    Ok(names)
}
