//! Looking inside on a real engine: logs that follow, and that they end when their reader's role does. Shells are in `shells`.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use crate::ground::Ground;

const SOON: Duration = Duration::from_secs(90);

/// A service whose task writes without end, and a member of its project.
async fn flooding(ground: &Ground, role: &str) {
    ground.portal().new_person("eve").await;
    let path = "/api/v1/projects/shop/members/eve";
    let admin = ground.portal().person("admin");
    admin.put(path, json!({"role": role})).await.expect_status(StatusCode::CREATED).await;
    ground.service("web").await;
    let descriptor = json!({"image": "web:1", "command": ["/bin/busybox", "yes", "a line"], "update": {"monitor": "0s"}, "stop": {"grace": "0s"}});
    ground.deployed("web", descriptor).await;
}

async fn expel(ground: &Ground) {
    let admin = ground.portal().person("admin");
    admin.delete("/api/v1/projects/shop/members/eve").await.expect_status(StatusCode::NO_CONTENT).await;
}

#[tokio::test]
async fn a_flooded_log_is_cut_when_its_reader_loses_the_role() {
    let ground = Ground::new().await;
    flooding(&ground, "guest").await;
    let eve = ground.portal().person("eve");
    let mut stream = eve.get("/api/v1/projects/shop/services/web/logs?follow=true&tail=10").await.0;
    assert_eq!(stream.status(), StatusCode::OK);
    let mut read = 0;
    while read < 1_000_000 {
        read += stream.chunk().await.expect("lines").expect("more lines").len();
    }
    expel(&ground).await;
    let end = tokio::time::timeout(SOON, async { while let Ok(Some(_)) = stream.chunk().await {} });
    end.await.expect("the stream ends with the role, however busy it is");
}
