using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.Management;

/// <summary>The shapes of the management API, and what it refuses.</summary>
public sealed class WorkerApiTests
{
    [Fact]
    public async Task Workers_that_are_added_while_it_runs_serve_when_they_are_ready()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (prefill, p) = await stage.WorkerAsync(EngineRole.Prefill);
        var (decode, d) = await stage.WorkerAsync(EngineRole.Decode, o => o with { DpSize = 2 });
        await stage.ReadyAsync(p, d);
        var (before, text) = (prefill.Stats.RequestsTotal, await stage.GenerateAsync());
        Assert.NotEmpty(text);
        Assert.Equal(before + 1, prefill.Stats.RequestsTotal);

        var (_, list) = await stage.CallAsync("GET", "/workers");
        Assert.Equal(2, (int)list["total"]!);
        Assert.Equal((1, 1, 0), (
            (int)list["stats"]!["prefill_count"]!, (int)list["stats"]!["decode_count"]!, (int)list["stats"]!["regular_count"]!));
        var worker = list["workers"]![1]!;
        Assert.Equal(decode.Url.GetLeftPart(UriPartial.Authority), (string)worker["url"]!);
        Assert.Equal(("decode", "sim", true, "http"),
            ((string)worker["worker_type"]!, (
                string)worker["model_id"]!, (bool)worker["is_healthy"]!, (string)worker["connection_mode"]!));
        Assert.Equal((2, "0.5.18", 1L, false), (
            (int)worker["dp_size"]!, (string)worker["version"]!, (long)worker["epoch"]!, (bool)worker["safe_to_kill"]!));
        Assert.Equal(2, worker["ranks"]!.AsArray().Count);
        Assert.All(worker["ranks"]!.AsArray(), rank => Assert.True((int)rank!["window"]! > 0));
        Assert.Equal(prefill.BootstrapPort, (int)list["workers"]![0]!["bootstrap_port"]!);
        Assert.Null(worker["job_status"]);
    }

    [Fact]
    public async Task The_answer_to_adding_is_that_of_the_SGLang_gateway()
    {
        await using var stage = await ManagedStage.StartAsync();
        using var response = await stage.SendAsync(
            "POST", "/workers", """{"url":"http://127.0.0.1:9/","worker_type":"prefill","bootstrap_port":8998}""");
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(ManagedStage.Token))!;
        var id = (string)body["worker_id"]!;
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        Assert.True(Guid.TryParse(id, out _));
        Assert.Equal($"/workers/{id}", response.Headers.Location!.ToString());
        Assert.Equal(("accepted", "http://127.0.0.1:9", $"/workers/{id}"),
            ((string)body["status"]!, (string)body["url"]!, (string)body["location"]!));
        var worker = await stage.WorkerAsync(Uri.EscapeDataString("http://127.0.0.1:9"));
        Assert.Equal((id, "registered", false, "AddWorker"),
            ((string)worker["id"]!, (
                string)worker["phase"]!, (bool)worker["is_healthy"]!, (string)worker["job_status"]!["job_type"]!));
    }

    [Theory]
    [InlineData("""{"url":"http://127.0.0.1:9"}""", 409, "registered already")]
    [InlineData("""{"url":"HTTP://127.0.0.1:9/"}""", 409, "registered already")]
    [InlineData("""{}""", 400, "'url'")]
    [InlineData("""{"url":"127.0.0.1:9"}""", 400, "'url'")]
    [InlineData("""{"url":"ftp://127.0.0.1:9"}""", 400, "'url'")]
    [InlineData("""{"url":"http://127.0.0.1:9/v1"}""", 400, "'url'")]
    [InlineData("""{"url":"http://u:p@127.0.0.1:9"}""", 400, "'url'")]
    [InlineData("""{"url":"http://127.0.0.1:70000"}""", 400, "'url'")]
    [InlineData("""{"url":5}""", 400, "'url' must be a string")]
    [InlineData("""{"url":"http://h:1","worker_type":"both"}""", 400, "'worker_type'")]
    [InlineData("""{"url":"http://h:1","worker_type":"prefill","bootstrap_port":70000}""", 400, "'bootstrap_port'")]
    [InlineData("""{"url":"http://h:1","worker_type":"prefill","bootstrap_port":0}""", 400, "'bootstrap_port'")]
    [InlineData("""{"url":"http://h:1","worker_type":"decode","bootstrap_port":8998}""", 400, "prefill workers only")]
    [InlineData("""{"url":"http://h:1","bootstrapPort":8998}""", 400, "'bootstrapPort' is not a known member")]
    [InlineData("""{"url":"http://h:1","priority":256}""", 400, "'priority'")]
    [InlineData("""{"url":"http://h:1","cost":0}""", 400, "'cost'")]
    [InlineData("""{"url":"http://h:1","labels":{"a":1}}""", 400, "'labels'")]
    [InlineData("""{"url":"http://h:1","api_key":"a\nb"}""", 400, "'api_key'")]
    [InlineData("""[]""", 400, "JSON object")]
    [InlineData("""{"url":""", 400, "JSON object")]
    [InlineData("", 400, "JSON object")]
    public async Task Nonsense_and_duplicates_are_refused_with_the_reason(string body, int status, string says)
    {
        await using var stage = await ManagedStage.StartAsync();
        Assert.Equal(HttpStatusCode.Accepted, (
            await stage.SendAsync("POST", "/workers", """{"url":"http://127.0.0.1:9"}""")).StatusCode);
        using var response = await stage.SendAsync("POST", "/workers", body);
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(ManagedStage.Token))!;
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(says, (string)answer["error"]!);
        Assert.NotEmpty((string)answer["code"]!);
    }

    [Fact]
    public async Task Members_of_the_SGLang_gateway_that_say_nothing_here_are_passed_over()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (status, _) = await stage.CallAsync("POST", "/workers", JsonNode.Parse(
            """{"url":"http://127.0.0.1:9","runtime":"sglang","dp_aware":true,"health_check_timeout_secs":30,"max_connection_attempts":20,"api_key":null}"""));
        Assert.Equal(202, status);
    }

    [Theory]
    [InlineData("GET", "/workers/nobody")]
    [InlineData("PATCH", "/workers/nobody")]
    [InlineData("DELETE", "/workers/nobody")]
    [InlineData("POST", "/workers/nobody/role")]
    public async Task Who_is_not_there_is_404(string method, string path)
    {
        await using var stage = await ManagedStage.StartAsync();
        var (status, body) = await stage.CallAsync(method, path, new JsonObject());
        Assert.Equal((404, "WORKER_NOT_FOUND"), (status, (string)body["code"]!));
    }

    [Fact]
    public async Task A_patch_changes_what_may_change_and_nothing_else()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (engine, id) = await stage.WorkerAsync(EngineRole.Regular);
        await stage.ReadyAsync(id);
        Assert.Equal(202, (await stage.CallAsync(
            "PATCH", $"/workers/{id}", JsonNode.Parse("""{"priority":7,"cost":2.5,"labels":{"rack":"a1"}}"""))).Status);
        var worker = await stage.WorkerAsync(id);
        Assert.Equal((7, 2.5, "a1", "ready"),
            ((int)worker["priority"]!, (double)worker["cost"]!, (string)worker["metadata"]!["rack"]!, (string)worker["phase"]!));
        Assert.Equal(400, (await stage.CallAsync(
            "PATCH", $"/workers/{id}", JsonNode.Parse("""{"worker_type":"decode"}"""))).Status);
        Assert.Equal(400, (await stage.CallAsync("PATCH", $"/workers/{id}", JsonNode.Parse("""{"priority":-1}"""))).Status);
        await stage.GenerateAsync();
        Assert.Equal(1, engine.Epoch);
    }

    [Fact]
    public async Task A_worker_with_a_wrong_key_serves_once_the_right_one_is_given()
    {
        await using var stage = await ManagedStage.StartAsync();
        var engine = await stage.EngineAsync(EngineRole.Regular, o => o with { ApiKey = "right-5f1c" });
        var (_, added) = await stage.CallAsync(
            "POST", "/workers", new JsonObject { ["url"] = engine.Url.ToString(), ["api_key"] = "wrong-77aa" });
        var id = (string)added["worker_id"]!;
        await stage.UntilAsync(id, w => ((string?)w["reason"])?.Contains("401", StringComparison.Ordinal) == true);
        await stage.CallAsync("PATCH", $"/workers/{id}", new JsonObject { ["api_key"] = "right-5f1c" });
        await stage.ReadyAsync(id);
        await stage.GenerateAsync();
        Assert.DoesNotContain(stage.Said, text => text.Contains("right-5f1c") || text.Contains("wrong-77aa"));
    }

    [Fact]
    public async Task Keys_are_sent_to_engines_and_shown_nowhere()
    {
        await using var stage = await ManagedStage.StartAsync();
        var (_, p) = await stage.WorkerAsync(EngineRole.Prefill, o => o with { ApiKey = "secret-p-91" });
        var (_, d) = await stage.WorkerAsync(EngineRole.Decode, o => o with { ApiKey = "secret-d-92" });
        await stage.ReadyAsync(p, d);
        await stage.GenerateAsync();
        foreach (var path in new[]
        {
            "/workers", $"/workers/{p}", "/list_workers", "/debug/requests", "/metrics", "/readiness", "/server_info",
            "/model_info",
            "/v1/models", "/flush_cache", "/workers/none",
        })
        {
            using var response = await stage.SendAsync("GET", path);
        }
        await stage.SendAsync("POST", "/workers", """{"url":"http://h:1","api_key":"secret-x-93","nonsense":1}""");
        await stage.SendAsync("POST", "/workers", """{"url":"secret-x-93"}""");
        await stage.SendAsync("POST", $"/workers/{p}/role", """{"role":"decode"}""");
        await stage.SendAsync("DELETE", $"/workers/{d}");
        await stage.UntilAsync(d, w => (bool)w["safe_to_kill"]!);
        Assert.DoesNotContain(stage.Said, text => text.Contains("secret-"));
        Assert.Contains(stage.Said, text => text.StartsWith("log:", StringComparison.Ordinal)); // the log was searched too
    }

    [Theory]
    [InlineData("GET", "/workers")]
    [InlineData("POST", "/workers")]
    [InlineData("GET", "/workers/x")]
    [InlineData("PATCH", "/workers/x")]
    [InlineData("DELETE", "/workers/x")]
    [InlineData("POST", "/workers/x/role")]
    [InlineData("GET", "/pools")]
    [InlineData("PUT", "/pools/decode/-")]
    [InlineData("GET", "/flush_cache")]
    [InlineData("POST", "/flush_cache")]
    [InlineData("POST", "/add_worker?url=http://h:1")]
    [InlineData("POST", "/remove_worker?url=http://h:1")]
    [InlineData("GET", "/list_workers")]
    public async Task With_an_admin_key_nobody_gets_in_without_it(string method, string path)
    {
        await using var stage = await ManagedStage.StartAsync(o => o.AdminApiKey = "admin-4c3b");
        foreach (var key in new[] { null, "", "admin-4c3", "admin-4c3bb", "Admin-4c3b" })
        {
            var (status, body) = await stage.CallAsync(method, path, new JsonObject(), key);
            Assert.Equal((401, "UNAUTHORIZED"), (status, (string)body["code"]!));
        }
        using var allowed = await stage.SendAsync(method, path, "{}", "admin-4c3b");
        Assert.NotEqual(HttpStatusCode.Unauthorized, allowed.StatusCode);
        Assert.DoesNotContain(stage.Said, text => text.Contains("admin-4c3"));
        using var open = await stage.SendAsync("GET", "/health");
        Assert.Equal(HttpStatusCode.OK, open.StatusCode);
    }

    [Fact]
    public async Task The_older_routes_of_SGLang_routers_work_too()
    {
        await using var stage = await ManagedStage.StartAsync();
        var engine = await stage.EngineAsync(EngineRole.Regular);
        var url = Uri.EscapeDataString(engine.Url.ToString());
        using var added = await stage.SendAsync("POST", $"/add_worker?url={url}");
        Assert.Equal(HttpStatusCode.OK, added.StatusCode);
        using var twice = await stage.SendAsync("POST", $"/add_worker?url={url}");
        Assert.Equal(HttpStatusCode.Conflict, twice.StatusCode);
        Assert.Equal(engine.Url.GetLeftPart(UriPartial.Authority), (
            string)Assert.Single((await stage.CallAsync("GET", "/list_workers")).Body["urls"]!.AsArray())!);
        await stage.ReadyAsync(url);
        using var removed = await stage.SendAsync("POST", $"/remove_worker?url={url}");
        Assert.Equal(HttpStatusCode.OK, removed.StatusCode);
        await stage.UntilAsync(url, w => (string)w["phase"]! == "gone");
        Assert.Empty((await stage.CallAsync("GET", "/list_workers")).Body["urls"]!.AsArray());
    }
}
