//! Secret parameters kept out of the configuration (spec 80 §2.6).

use std::path::{Path, PathBuf};

use crate::digest::md5_hex;
use crate::executor::Task;
use crate::invocation::CommandLine;
use crate::outcome::{StartError, StartErrorKind};

/// The value that stands for a secret.
const PLACEHOLDER: &str = "lrm://";

/// Replaces parameters that stand for secrets, on the command line only, so that no event, log or
/// record ever holds one. A stop goes on without them; anything else does not start.
pub(super) fn substitute(
    directory: &Path,
    task: &Task,
    line: &mut CommandLine,
) -> Result<(), StartError> {
    let Task::Resource { key, .. } = task else { return Ok(()) };
    for (variable, value) in &mut line.environment {
        let Some(name) = variable.strip_prefix("OCF_RESKEY_") else { continue };
        if value.as_deref() != Some(PLACEHOLDER.as_ref()) {
            continue;
        }
        match load(directory, key.resource.as_str(), name) {
            Some(secret) => *value = Some(secret.into()),
            None if key.action.is("stop") => {}
            None => {
                return Err(StartError {
                    kind: StartErrorKind::Secrets,
                    text: "Unable to load CIB secrets".into(),
                });
            }
        }
    }
    Ok(())
}

fn load(directory: &Path, resource: &str, name: &str) -> Option<String> {
    let plain = |part: &str| !part.contains('/') && part != ".." && part != ".";
    if !plain(resource) || !plain(name) {
        return None;
    }
    let path = directory.join(resource).join(name);
    let mut sign: PathBuf = path.clone();
    sign.set_file_name(format!("{name}.sign"));
    let secret = std::fs::read_to_string(&path).ok()?.trim_end().to_string();
    let signature = std::fs::read_to_string(&sign).ok()?;
    if signature.trim_end() != md5_hex(secret.as_bytes()) || secret.contains('\0') {
        log::error!("secret {name} of {resource} does not match its signature");
        return None;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::agent::Standard;
    use crate::operation::{Action, Interval, OpKey, Parameters, ResourceId};

    fn line(action: &str) -> (Task, CommandLine) {
        let task = Task::Resource {
            key: OpKey {
                resource: ResourceId::new("db").unwrap(),
                action: Action::new(action).unwrap(),
                interval: Interval::ONCE,
            },
            agent: Arc::new("ocf:p:T".parse().unwrap()),
            parameters: Arc::new(Parameters::from_pairs([("passwd", "lrm://")]).unwrap()),
        };
        let line = CommandLine::of_task(&task, &Standard::Ocf, "/a".as_ref(), "/r".as_ref());
        (task, line)
    }

    fn password(line: &CommandLine) -> String {
        let variable = line.environment.iter().find(|(name, _)| name == "OCF_RESKEY_passwd");
        variable.unwrap().1.as_ref().unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn a_signed_secret_replaces_its_placeholder() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("db")).unwrap();
        std::fs::write(scratch.path().join("db/passwd"), "s3cret\n").unwrap();
        let (task, mut command) = line("start");
        assert!(substitute(scratch.path(), &task, &mut command).is_err(), "no signature");
        std::fs::write(scratch.path().join("db/passwd.sign"), "0".repeat(32)).unwrap();
        assert!(substitute(scratch.path(), &task, &mut command).is_err(), "wrong signature");
        std::fs::write(scratch.path().join("db/passwd.sign"), md5_hex(b"s3cret")).unwrap();
        substitute(scratch.path(), &task, &mut command).unwrap();
        assert_eq!(password(&command), "s3cret");
    }

    #[test]
    fn a_stop_goes_on_without() {
        let scratch = tempfile::tempdir().unwrap();
        let (task, mut command) = line("stop");
        substitute(scratch.path(), &task, &mut command).unwrap();
        assert_eq!(password(&command), "lrm://");
    }
}
