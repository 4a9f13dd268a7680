//! The words of the public page, in the languages that it speaks.

use model::status::{ComponentState, Impact, IncidentState};

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Language {
    /// English, for whoever asks for nothing that is spoken here.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

/// Everything that a page says by itself.
pub(super) struct Words {
    /// Of the page's language, for browsers and screen readers.
    pub tag: &'static str,
    pub title: &'static str,
    pub skip: &'static str,
    pub missing: &'static str,
    pub checked: &'static str,
    pub not_checked: &'static str,
    pub services: &'static str,
    pub none: &'static str,
    pub none_hint: &'static str,
    pub since: &'static str,
    pub uptime: &'static str,
    pub response: &'static str,
    pub days: &'static str,
    pub oldest: &'static str,
    pub newest: &'static str,
    pub calm: &'static str,
    pub trouble: &'static str,
    pub unknown_day: &'static str,
    pub down_for: &'static str,
    pub details: &'static str,
    pub last_day: &'static str,
    pub fastest: &'static str,
    pub slowest: &'static str,
    pub open: &'static str,
    pub planned: &'static str,
    pub past: &'static str,
    pub no_past: &'static str,
    pub concerns: &'static str,
    pub all_services: &'static str,
    pub from_to: &'static str,
    pub all_pages: &'static str,
    pub utc: &'static str,
    pub unseen: &'static str,
    /// How all of it does when nothing was probed for long.
    pub stale: &'static str,
    /// The same with the time of the last probe in between.
    pub stale_since: (&'static str, &'static str),
    /// The other language's name, in itself, its tag, and what asks for it.
    pub other: (&'static str, &'static str, &'static str),
    minutes: &'static str,
    hours: &'static str,
    seconds: &'static str,
}

const ENGLISH: Words = Words {
    tag: "en",
    title: "Status",
    skip: "Skip to the services",
    missing: "There is no such status page",
    checked: "Last checked",
    not_checked: "Not checked yet",
    services: "Services",
    none: "No services are shown here yet",
    none_hint: "Services stand here once their teams show them.",
    since: "since",
    uptime: "up",
    response: "Response time",
    days: "the last 90 days",
    oldest: "90 days ago",
    newest: "today",
    calm: "No trouble in the last 90 days.",
    trouble: "Days with trouble",
    unknown_day: "not known",
    down_for: "not answering for",
    details: "Response time and days with trouble",
    last_day: "last 24 hours",
    fastest: "fastest",
    slowest: "slowest",
    open: "Incidents",
    planned: "Planned maintenance",
    past: "Past incidents and maintenance",
    no_past: "None in the last 90 days.",
    concerns: "Concerns:",
    all_services: "all services",
    from_to: "to",
    all_pages: "All services",
    utc: "Days are counted in UTC.",
    unseen: "Some services cannot be seen from here at the moment. What is said of them may be out of date.",
    stale: "How the services do is not known at the moment",
    stale_since: ("No service could be checked since", ". What is said here may be out of date."),
    other: ("中文", "zh-Hans", "zh"),
    minutes: " min",
    hours: " h",
    seconds: " s",
};

const CHINESE: Words = Words {
    tag: "zh-Hans",
    title: "服务状态",
    skip: "跳到服务列表",
    missing: "没有这个状态页",
    checked: "最近检测",
    not_checked: "尚未检测",
    services: "服务",
    none: "这里还没有公开的服务",
    none_hint: "服务的负责人公开服务后，会显示在这里。",
    since: "开始于",
    uptime: "可用",
    response: "响应时间",
    days: "最近 90 天",
    oldest: "90 天前",
    newest: "今天",
    calm: "最近 90 天没有故障。",
    trouble: "有故障的日期",
    unknown_day: "无数据",
    down_for: "无响应",
    details: "响应时间和有故障的日期",
    last_day: "最近 24 小时",
    fastest: "最快",
    slowest: "最慢",
    open: "当前事件",
    planned: "计划维护",
    past: "历史事件和维护",
    no_past: "最近 90 天没有事件。",
    concerns: "涉及：",
    all_services: "全部服务",
    from_to: "至",
    all_pages: "全部服务",
    utc: "日期按 UTC 计算。",
    unseen: "目前无法从这里看到部分服务，它们的状态可能不是最新的。",
    stale: "目前不知道服务的状态",
    stale_since: ("自", "起无法检测任何服务，这里的内容可能已经过时。"),
    other: ("English", "en", "en"),
    minutes: " 分钟",
    hours: " 小时",
    seconds: " 秒",
};

impl Language {
    /// The one that a reader asks for: by `lang` in the query, or as the browser is set.
    pub fn of(query: Option<&str>, accepted: Option<&str>) -> Self {
        let asked = query.into_iter().flat_map(|query| query.split('&')).find_map(|part| part.strip_prefix("lang="));
        if let Some(known) = asked.and_then(Self::named) {
            return known;
        }
        let mut best = (0.0, Self::English);
        for part in accepted.unwrap_or_default().split(',') {
            let (name, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).unwrap_or(1.0);
            if let Some(known) = Self::named(name.trim())
                && weight > best.0
            {
                best = (weight, known);
            }
        }
        best.1
    }

    fn named(tag: &str) -> Option<Self> {
        match tag.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// Its words.
    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }

    fn pick(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }

    /// How all of it does.
    pub fn whole(self, state: ComponentState) -> &'static str {
        match state {
            ComponentState::Operational => self.pick("All services work", "全部服务正常"),
            ComponentState::Maintenance => self.pick("Maintenance is under way", "正在维护"),
            ComponentState::Unknown => self.pick("Some services cannot be seen at the moment", "目前无法看到部分服务"),
            ComponentState::Degraded => self.pick("Some services have trouble", "部分服务出现问题"),
            ComponentState::Down => self.pick("The services do not work", "服务不可用"),
        }
    }

    /// How a service does.
    pub fn state(self, state: ComponentState) -> &'static str {
        match state {
            ComponentState::Operational => self.pick("Works", "正常"),
            ComponentState::Maintenance => self.pick("Maintenance", "维护中"),
            ComponentState::Unknown => self.pick("Not known", "未知"),
            ComponentState::Degraded => self.pick("Works in part", "部分可用"),
            ComponentState::Down => self.pick("Does not work", "不可用"),
        }
    }

    /// How far an incident is.
    pub fn step(self, state: IncidentState) -> &'static str {
        match state {
            IncidentState::Proposed | IncidentState::Dismissed => "",
            IncidentState::Investigating => self.pick("Investigating", "调查中"),
            IncidentState::Identified => self.pick("Cause found", "已找到原因"),
            IncidentState::Monitoring => self.pick("Fixed, being watched", "已修复，观察中"),
            IncidentState::Resolved => self.pick("Resolved", "已解决"),
            IncidentState::Scheduled => self.pick("Planned", "已计划"),
            IncidentState::InProgress => self.pick("Under way", "进行中"),
            IncidentState::Completed => self.pick("Done", "已完成"),
        }
    }

    /// How much it concerns people.
    pub fn impact(self, impact: Impact) -> &'static str {
        match impact {
            Impact::None => self.pick("no impact", "无影响"),
            Impact::Minor => self.pick("minor impact", "轻微影响"),
            Impact::Major => self.pick("major impact", "较大影响"),
            Impact::Critical => self.pick("critical impact", "严重影响"),
        }
    }

    /// A length of time.
    pub fn span(self, seconds: i64) -> String {
        let words = self.words();
        match seconds {
            ..60 => format!("{seconds}{}", words.seconds),
            60..3_600 => format!("{}{}", seconds / 60, words.minutes),
            _ => format!("{}{} {}{}", seconds / 3_600, words.hours, seconds % 3_600 / 60, words.minutes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_get_the_language_that_they_ask_for_first() {
        let of = |query: Option<&str>, accepted: &str| Language::of(query, Some(accepted));
        assert_eq!(of(None, "zh-CN,zh;q=0.9,en;q=0.8"), Language::Chinese);
        assert_eq!(of(None, "de-DE,de;q=0.9,en;q=0.8,zh;q=0.7"), Language::English);
        assert_eq!(of(None, "en;q=0.2, zh;q=0.3"), Language::Chinese);
        assert_eq!(of(None, "fr"), Language::English);
        assert_eq!(of(Some("a=1&lang=en"), "zh"), Language::English);
        assert_eq!(of(Some("lang=xx"), "zh"), Language::Chinese);
        assert_eq!(Language::of(None, None), Language::English);
    }
}
