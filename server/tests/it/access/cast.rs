//! Everybody who may stand before a door: their tokens for the API and their browsers.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::portal::{Browser, Person, TestPortal};

/// The callers, weakest first.
pub struct Cast {
    people: Vec<Person>,
    browsers: Vec<Browser>,
    /// The token of each browser's forms, as long as its session lasts.
    csrf: Vec<String>,
    /// One more caller, of one project or one test; they have no browser.
    further: Option<Person>,
}

impl Cast {
    /// Columns of the picture.
    pub const NAMES: [&'static str; 6] = ["nobody", "stranger", "guest", "developer", "admin", "operator"];

    /// Makes their accounts. The operator of the cast is not the one that everything is set up with, so that nothing that is done to a caller
    /// disturbs the next one.
    pub async fn gather(portal: &TestPortal) -> Self {
        let mut people = Vec::new();
        let mut browsers = Vec::new();
        for name in Self::NAMES {
            if name == "nobody" {
                people.push(portal.nobody());
                browsers.push(Browser::new(portal));
                continue;
            }
            let account = Self::account(name);
            let person = portal.new_person(account).await;
            if name == "operator" {
                let path = format!("/api/v1/users/{account}");
                portal.person("admin").patch(&path, json!({"operator": true})).await.expect_status(StatusCode::OK).await;
            }
            people.push(with_token(person).await);
            browsers.push(portal.browser(account).await);
        }
        let csrf = vec![String::new(); browsers.len()];
        Self { people, browsers, csrf, further: None }
    }

    /// The account of a caller.
    pub fn account(name: &str) -> &'static str {
        match name {
            "stranger" => "sam",
            "guest" => "gus",
            "developer" => "dee",
            "admin" => "ada",
            _ => "oda",
        }
    }

    /// Lets somebody stand behind the others, in the place of whoever stood there.
    pub fn enlist(&mut self, further: Person) {
        self.further = Some(further);
    }

    /// The caller, for REST and the registry.
    pub fn person(&self, caller: usize) -> &Person {
        self.people.get(caller).or(self.further.as_ref()).expect("somebody who was enlisted")
    }

    /// The caller's browser.
    pub fn browser(&self, caller: usize) -> &Browser {
        &self.browsers[caller]
    }

    /// The token of the caller's forms. Where a door before may have ended the session, its browser signs in anew.
    pub async fn csrf(&mut self, portal: &TestPortal, caller: usize, session_may_have_ended: bool) -> String {
        if caller == 0 {
            return String::new();
        }
        if session_may_have_ended || self.csrf[caller].is_empty() {
            self.browsers[caller] = portal.browser(Self::account(Self::NAMES[caller])).await;
            self.csrf[caller] = self.browsers[caller].csrf().await;
        }
        self.csrf[caller].clone()
    }

    /// A request of the caller's browser.
    pub fn page(&self, portal: &TestPortal, caller: usize, method: Method, path: &str) -> RequestBuilder {
        self.browser(caller).request(method, path).header("origin", &portal.base)
    }
}

/// The same person with a token in place of the password: nothing is hashed at each request.
pub async fn with_token(person: Person) -> Person {
    let scopes = json!({"name": "test", "scopes": ["admin"]});
    let made = person.post("/api/v1/me/tokens", scopes).await.expect_status(StatusCode::CREATED).await;
    person.with_secret(made["secret"].as_str().expect("a secret"))
}
