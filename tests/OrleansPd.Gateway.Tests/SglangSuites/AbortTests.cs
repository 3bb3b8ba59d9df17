using System.Text.Json.Nodes;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;

namespace OrleansPd.Gateway.Tests.SglangSuites;

/// <summary>Aborts by the client's id on the engines, and transfers that fail: how requests end, and that nothing stays behind.</summary>
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
            {
                await Suite.PastAsync(engine, "/abort_request", """{"rid":"abort-test-1"}""");
            }
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
        await LiveStage.UntilAsync(() => (prefill.Stats.InflightQueue, stage.Decode[0].Stats.TransferQueue) == (1, 1), TimeSpan.FromSeconds(20));

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

        var ends = await Task.WhenAll(Enumerable.Range(0, 36).Select(i => Suite.PostAsync(stage, "/generate", Suite.Generate($"Request {i}", 8))))
            .WaitAsync(TimeSpan.FromSeconds(120), LiveStage.Token);

        Assert.All(ends, end => Assert.True(end.Status == 200 || IsAbort(end.Status, end.Body), $"{end.Status}: {end.Body}"));
        await Suite.IdleAsync(stage);
        foreach (var url in (Uri[])[stage.Gateway.Url, stage.Prefill[0].Url, stage.Decode[0].Url])
        {
            Assert.True((await stage.Client.GetAsync(new Uri(url, "/health"), LiveStage.Token)).IsSuccessStatusCode);
        }
        var good = 0;
        for (var i = 0; i < 20 && good == 0; i++)
        {
            good += (await Suite.PostAsync(stage, "/generate", Suite.Generate("After", 4))).Status == 200 ? 1 : 0;
        }
        Assert.Equal(1, good);
        Assert.All(stage.Prefill.Concat(stage.Decode), engine => Assert.Empty(engine.Stats.RouterErrors));
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
