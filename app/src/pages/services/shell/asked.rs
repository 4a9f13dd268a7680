//! What somebody wants to open: in which task, which command, as whom, where and why.

use crate::urls;

/// Shells that a link may open without anybody looking at it first, if it asks for nothing else.
const SHELLS: [&str; 6] = ["", "sh", "bash", "ash", "zsh", "dash"];

/// A task in which a shell can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The task's id.
    pub task: String,
    /// How people call it.
    pub title: String,
}

/// What is wanted. What is empty is left to the portal: the image's shell, user and folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The task's id.
    pub task: String,
    /// The command, as it is typed in a shell.
    pub command: String,
    /// The user, by name or number.
    pub user: String,
    /// The working folder.
    pub workdir: String,
    /// What it is for.
    pub why: String,
}

impl Asked {
    /// Whether nothing runs but a shell that waits for what is typed, as anybody would open it: a link could come from anybody, and as whom a shell was
    /// opened, where and why is on record in the name of whoever follows it.
    pub(super) fn is_harmless(&self) -> bool {
        if [&self.user, &self.workdir, &self.why].iter().any(|own| !own.trim().is_empty()) {
            return false;
        }
        let command = self.command.trim();
        let name = ["/bin/", "/usr/bin/"].iter().find_map(|folder| command.strip_prefix(folder)).unwrap_or(command);
        SHELLS.contains(&name)
    }

    /// The websocket's path.
    pub(super) fn socket(&self) -> String {
        let values = [("command", &self.command), ("user", &self.user), ("workdir", &self.workdir), ("why", &self.why)];
        let values = values.map(|(name, value)| (name, value.trim()));
        urls::asking(urls::shell_socket(&self.task), &values)
    }

    /// What stands over its terminal.
    pub(super) fn title(&self, place: Option<&Place>) -> String {
        let place = place.map_or("task", |place| &place.title);
        match self.command.trim() {
            "" => place.to_owned(),
            command => format!("{place}: {command}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(command: &str) -> Asked {
        Asked { task: "t1".into(), command: command.into(), ..Asked::default() }
    }

    #[test]
    fn a_link_runs_a_shell_and_nothing_else_by_itself() {
        for harmless in ["", " ", "sh", "/bin/bash", "/usr/bin/zsh"] {
            assert!(command(harmless).is_harmless(), "{harmless}");
        }
        for other in ["sh -c reboot", "rm -rf /data", "/tmp/sh", "bash -i", "/bin/rm"] {
            assert!(!command(other).is_harmless(), "{other}");
        }
    }

    #[test]
    fn nobody_else_says_as_whom_where_or_why_a_shell_is_opened() {
        let own = |user: &str, workdir: &str, why: &str| Asked { user: user.into(), workdir: workdir.into(), why: why.into(), ..command("sh") };
        assert!(own("", " ", "").is_harmless());
        for asked in [own("0", "", ""), own("", "/etc", ""), own("", "", "mending what I broke")] {
            assert!(!asked.is_harmless(), "{asked:?}");
        }
    }

    #[test]
    fn what_is_wanted_is_in_the_address() {
        let asked = Asked { user: "0".into(), why: "look & see".into(), ..command("top -d 1") };
        assert_eq!(asked.socket(), "/ws/tasks/t1/shell?command=top%20-d%201&user=0&why=look%20%26%20see");
        assert_eq!(command("  ").socket(), "/ws/tasks/t1/shell");
        assert_eq!(asked.title(None), "task: top -d 1");
    }
}
