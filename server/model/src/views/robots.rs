//! Views of robots: a project's accounts for programs. A secret is in the answer that made it and nowhere else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::{Role, Scope};
use crate::ids::UserId;
use crate::names::{AccountName, RobotName};
use crate::time::Millis;

/// A robot that ends within this is marked.
pub const EXPIRES_SOON: Duration = Duration::from_secs(14 * 86_400);
/// A robot that was not used for this long is marked.
pub const LONG_UNUSED: Duration = Duration::from_secs(90 * 86_400);

/// A robot, to those who manage it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RobotView {
    /// Its account.
    pub id: UserId,
    /// Its name in the project.
    pub name: RobotName,
    /// What it signs in as: `robot-<project>.<name>`.
    pub username: AccountName,
    /// What it is for.
    pub description: String,
    /// Its role in the project.
    pub role: Role,
    /// What it may be used for at most, its role and this, both.
    pub scopes: Vec<Scope>,
    /// Whether the scopes were chosen; else they are those of its role, and change with it.
    pub narrowed: bool,
    /// When it was made.
    pub created_at: Millis,
    /// Who made it: the name at that time.
    pub created_by: String,
    /// When it ends, if it does.
    pub expires_at: Option<Millis>,
    /// When it was disabled, if it is.
    pub disabled_at: Option<Millis>,
    /// When it was used last (to the minute).
    pub used_at: Option<Millis>,
    /// Since when its secret is this one.
    pub secret_since: Millis,
    /// The secret before, as long as it still holds after a rotation.
    pub previous: Option<PreviousSecret>,
}

/// A secret that was replaced and still holds for a while, so that its users can be changed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// When it ends.
    pub ends_at: Millis,
    /// When it was used last: somebody still has it.
    pub used_at: Option<Millis>,
}

/// What there is to say about a robot at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RobotMark {
    /// It was disabled.
    Disabled,
    /// Its time is over.
    Expired,
    /// Its time is over soon.
    ExpiresSoon,
    /// Nothing used it for long.
    Unused,
}

impl RobotView {
    /// What is to be said about it now.
    #[must_use]
    pub fn marks(&self, now: Millis) -> Vec<RobotMark> {
        let mut marks = Vec::new();
        if self.disabled_at.is_some() {
            marks.push(RobotMark::Disabled);
        }
        match self.expires_at {
            Some(at) if at <= now => marks.push(RobotMark::Expired),
            Some(at) if at.since(now) <= EXPIRES_SOON => marks.push(RobotMark::ExpiresSoon),
            Some(_) | None => {}
        }
        if now.since(self.used_at.unwrap_or(self.created_at)) >= LONG_UNUSED {
            marks.push(RobotMark::Unused);
        }
        marks
    }
}

/// A robot with the secret that was just made: the only time that it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRobot {
    /// The robot.
    #[serde(flatten)]
    pub robot: RobotView,
    /// The secret, to be copied now.
    pub secret: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Millis = Millis(1_800_000_000_000);

    fn robot(expires_at: Option<Millis>, used_at: Option<Millis>) -> RobotView {
        RobotView {
            id: "0192f0c1-7c1e-7b44-8d2a-3f6f1f0b5a11".parse().expect("an id"),
            name: "ci".parse().expect("a name"),
            username: "robot-shop.ci".parse().expect("a name"),
            description: String::new(),
            role: Role::Developer,
            scopes: vec![Scope::Push],
            narrowed: true,
            created_at: NOW.minus(100 * DAY),
            created_by: "ana".into(),
            expires_at,
            disabled_at: None,
            used_at,
            secret_since: NOW,
            previous: None,
        }
    }

    #[test]
    fn what_needs_a_look_is_marked() {
        let used = Some(NOW.minus(DAY));
        assert!(robot(None, used).marks(NOW).is_empty());
        assert!(robot(Some(NOW.plus(15 * DAY)), used).marks(NOW).is_empty());
        assert_eq!(robot(Some(NOW.plus(14 * DAY)), used).marks(NOW), [RobotMark::ExpiresSoon]);
        assert_eq!(robot(Some(NOW), used).marks(NOW), [RobotMark::Expired]);
        assert_eq!(robot(None, Some(NOW.minus(90 * DAY))).marks(NOW), [RobotMark::Unused]);
        assert_eq!(robot(None, None).marks(NOW), [RobotMark::Unused], "never used, and made long ago");
        let disabled = RobotView { disabled_at: Some(NOW), ..robot(Some(NOW.minus(DAY)), used) };
        assert_eq!(disabled.marks(NOW), [RobotMark::Disabled, RobotMark::Expired]);
    }

    #[test]
    fn the_secret_stands_beside_what_is_known_of_the_robot() {
        let made = NewRobot { robot: robot(None, None), secret: "slr_0".into() };
        let json = serde_json::to_value(&made).expect("JSON");
        assert_eq!((json["secret"].as_str(), json["username"].as_str()), (Some("slr_0"), Some("robot-shop.ci")));
        assert_eq!(serde_json::from_value::<NewRobot>(json).expect("reads back"), made);
    }
}
