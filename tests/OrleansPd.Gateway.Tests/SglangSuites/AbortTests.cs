using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.SglangSuites;

/// <summary>
/// Aborts by the client's id on the engines, and transfers that fail: how requests end, and that nothing stays behind.
/// </summary>
public sealed class AbortTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_abort_by_the_clients_id_on_both_engines_ends_the_request_and_nothing_is_sent_again(bool byGateway)
    {
        await using var stage = await Suite.StartAsync(2, 2);
        var request = Suite.PostAsync(stage, "/generate", Suite.Generate("A long story", 4000, ""","rid":"abort-test-1" """));
        await LiveStage.UntilAsync(() => stage.Decode.Sum(d => d.Stats.Running) == 1, TimeSpan.FromSeconds(20));
        var seen = Sum(stage);

        if (byGateway)
        {
            await Suite.PostAsync(stage, "/abort_request", """{"rid":"abort-test-1"}""");
        }
        else
        {
            foreach (var engine in stage.Prefill.Concat(stage.Decode))
                await Suite.PastAsync(engine, "/abort_request", """{"rid":"abort-test-1"}""");
        }

        var (status, body) = await request.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        Assert.True(IsAbort(status, body), $"{status}: {body}");
        await Suite.IdleAsync(stage);
        Assert.Equal((seen, 0L), (Sum(stage), stage.Gateway.Dispatcher.Retries));
    }

    [Theory]
    [InlineData(EngineRole.Prefill)]
    [InlineData(EngineRole.Decode)]
    public async Task An_abort_that_meets_the_transfer_comes_back_with_the_engines_own_status_and_words(EngineRole side)
    {
        await using var stage = await Suite.StartAsync();
        var prefill = stage.Prefill[0];
        // The KV is late: the request stands in the prefill's inflight queue and in the decode's transfer queue.
        prefill.Faults.Add(new Fault(FaultKind.LateKv) { RidPrefix = "my-abort", Delay = TimeSpan.FromMinutes(5) });
        var request = Suite.PostAsync(stage, "/generate", Suite.Generate("Stuck", 4, ""","rid":"my-abort" """));
        await LiveStage.UntilAsync(
            () => (prefill.Stats.InflightQueue, stage.Decode[0].Stats.TransferQueue) == (1, 1), TimeSpan.FromSeconds(20));

        await Suite.PastAsync(side == EngineRole.Prefill ? prefill : stage.Decode[0], "/abort_request", """{"rid":"my-abort"}""");

        var (status, body) = await request.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        Assert.True(status is 500 or 503 && IsAbort(status, body), $"{status}: {body}");
        Assert.Contains("my-abort", body.ToJsonString());
        await Suite.IdleAsync(stage);
        Assert.Equal(0, stage.Gateway.Dispatcher.Retries);
    }

    [Fact]
    public async Task Failed_transfers_leave_no_request_open_no_engine_loaded_and_the_only_pair_in_use()
    {
        await using var stage = await Suite.StartAsync(speed: 0);
        // Twelve of 36 requests' legs: more than the suite's 5 to 12 % of polls.
        stage.Prefill[0].Faults.Add(new Fault(FaultKind.FailTransfer) { Count = 6 });
        stage.Decode[0].Faults.Add(new Fault(FaultKind.FailTransfer) { Count = 6 });

        var ends = await Task.WhenAll(
            Enumerable.Range(0, 36).Select(i => Suite.PostAsync(stage, "/generate", Suite.Generate($"Request {i}", 8))))
            .WaitAsync(TimeSpan.FromSeconds(120), LiveStage.Token);

        Assert.All(ends, end => Assert.True(end.Status == 200 || IsAbort(end.Status, end.Body), $"{end.Status}: {end.Body}"));
        await Suite.IdleAsync(stage);
        foreach (var url in (Uri[])[stage.Gateway.Url, stage.Prefill[0].Url, stage.Decode[0].Url])
            Assert.True((await stage.Client.GetAsync(new Uri(url, "/health"), LiveStage.Token)).IsSuccessStatusCode);
        var good = 0;
        for (var i = 0; i < 20 && good == 0; i++)
            good += (await Suite.PostAsync(stage, "/generate", Suite.Generate("After", 4))).Status == 200 ? 1 : 0;
        Assert.Equal(1, good);
        Assert.All(stage.Prefill.Concat(stage.Decode), engine => Assert.Empty(engine.Stats.RouterErrors));
    }

    [Theory]
    [InlineData("\"A long story\"", 3, 3)]
    [InlineData("[\"One\",\"Two\",\"Three\"]", 1, 3)]
    [InlineData("[\"One\",\"Two\"]", 2, 4)]
    public async Task One_abort_by_the_clients_id_ends_all_samples_and_all_prompts(string text, int n, int parts)
    {
        var body = $$$"""{"text":{{{text}}},"rid":"mine","sampling_params":{"n":{{{n}}},"max_new_tokens":4000,"ignore_eos":true}}""";
        await using var stage = await Suite.StartAsync(2, 2);
        var request = Suite.PostAsync(stage, "/generate", body);
        await LiveStage.UntilAsync(() => stage.Decode.Sum(d => d.Stats.Running) == parts, TimeSpan.FromSeconds(20));
        var seen = Sum(stage);

        await Suite.PostAsync(stage, "/abort_request", """{"rid":"mine"}""");

        var (status, answer) = await request.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        Assert.Equal((200, parts), (status, answer.AsArray().Count));
        Assert.All(answer.AsArray(), part => Assert.True(IsAbort(status, part!), part!.ToJsonString()));
        await Suite.IdleAsync(stage);
        Assert.Equal((seen, 0L, 0), (Sum(stage), stage.Gateway.Dispatcher.Retries, stage.Gateway.Dispatcher.LiveRequests.Count));
    }

    [Fact]
    public async Task One_prompt_of_a_batch_is_ended_by_its_own_id_and_the_others_go_on()
    {
        await using var stage = await Suite.StartAsync();
        var request = Suite.PostAsync(
            stage, "/generate",
            """{"text":["One","Two"],"rid":["a","b"],"sampling_params":{"n":2,"max_new_tokens":300,"ignore_eos":true}}""");
        await LiveStage.UntilAsync(() => stage.Decode[0].Stats.Running == 4, TimeSpan.FromSeconds(20));

        await Suite.PostAsync(stage, "/abort_request", """{"rid":"b"}""");

        var (status, answer) = await request.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        Assert.Equal(200, status);
        var ends = answer.AsArray().Select(part => (string)part!["meta_info"]!["finish_reason"]!["type"]!);
        Assert.Equal(["length", "length", "abort", "abort"], ends);
    }

    [Fact]
    public async Task Parts_that_have_not_gone_out_yet_never_do()
    {
        await using var stage = await Suite.StartAsync(options: new() { ControlPlane = { MaxRunningPerDecodeRank = 2 } });
        var request = Suite.PostAsync(stage, "/generate", Suite.Generate("Many", 4000, ""","rid":"many" """)
            .Replace("\"max_new_tokens\"", "\"n\":80,\"max_new_tokens\"", StringComparison.Ordinal));
        await LiveStage.UntilAsync(() => stage.Decode[0].Stats.Running == 2, TimeSpan.FromSeconds(20));
        var seen = Sum(stage);

        await Suite.PostAsync(stage, "/abort_request", """{"rid":"many"}""");

        var (status, answer) = await request.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        Assert.True(IsAbort(status, answer), $"{status}: {answer}");
        await Suite.IdleAsync(stage);
        Assert.Equal(seen, Sum(stage));
    }

    [Theory]
    [InlineData("""{"rid":"second"}""")]
    [InlineData("""{"abort_all":true}""")]
    public async Task A_request_that_waits_for_a_place_is_ended_by_its_id_and_no_engine_hears_of_it(string abort)
    {
        await using var stage = await Suite.StartAsync(options: new() { ControlPlane = { MaxRunningPerDecodeRank = 1 } });
        var plane = (EmbeddedControlPlane)stage.Gateway.ControlPlane;
        var running = Suite.PostAsync(stage, "/generate", Suite.Generate("First", 4000, ""","rid":"first" """));
        await LiveStage.UntilAsync(() => stage.Decode[0].Stats.Running == 1, TimeSpan.FromSeconds(20));
        var seen = Sum(stage);
        var waiting = Suite.PostAsync(stage, "/generate", Suite.Generate("Second", 4, ""","rid":"second" """));
        await LiveStage.UntilAsync(() => plane.Waiting == 1, TimeSpan.FromSeconds(20));

        await Suite.PostAsync(stage, "/abort_request", abort);

        var (status, answer) = await waiting.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        Assert.True(status == 500 && IsAbort(status, answer), $"{status}: {answer}");
        Assert.Equal((seen, 0), (Sum(stage), plane.Waiting));
        await Suite.PostAsync(stage, "/abort_request", """{"rid":"first"}""");
        await running.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        await Suite.IdleAsync(stage);
    }

    [Fact]
    public async Task An_abort_reaches_a_second_attempt_which_has_another_id()
    {
        await using var stage = await Suite.StartAsync(2, 2, options: new() { RetryMaxRetries = 1 });
        foreach (var decode in stage.Decode)
            decode.Faults.Add(new Fault(FaultKind.Status) { RidPrefix = "again", Count = 1 });
        var request = Suite.PostAsync(stage, "/generate", Suite.Generate("Again", 4000, ""","rid":"again" """));
        await LiveStage.UntilAsync(
            () => stage.Gateway.Dispatcher.Retries == 1 && stage.Decode.Sum(d => d.Stats.Running) == 1, TimeSpan.FromSeconds(20));

        await Suite.PostAsync(stage, "/abort_request", """{"rid":"again"}""");

        var (status, answer) = await request.WaitAsync(TimeSpan.FromSeconds(30), LiveStage.Token);
        Assert.True(IsAbort(status, answer), $"{status}: {answer}");
        await Suite.IdleAsync(stage);
        Assert.Equal(1, stage.Gateway.Dispatcher.Retries);
    }

    /// <summary>What the suites take for an abort: 200 that says so, or 500 or 503 whose body does.</summary>
    private static bool IsAbort(int status, JsonNode body) => status switch
    {
        200 => (string?)body["meta_info"]?["finish_reason"]?["type"] == "abort",
        500 or 503 => ((string[])["abort", "prefill bootstrap failed", "pd peer failed", "transfer failed"])
            .Any(words => body.ToJsonString().Contains(words, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };

    private static long Sum(LiveStage stage) => stage.Prefill.Concat(stage.Decode).Sum(e => (long)e.Stats.RequestsTotal);
}
