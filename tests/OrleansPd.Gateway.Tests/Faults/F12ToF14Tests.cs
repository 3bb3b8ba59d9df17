using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Engines.Attempts;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Ids that begin one another, aborts that look like success, clients that choose what is not theirs.</summary>
public class F12ToF14Tests
{
    [Fact]
    public async Task F12_The_shorter_of_two_ids_is_aborted_and_the_one_that_begins_with_it_runs_on()
    {
        await using var stage = await FaultStage.StartAsync(
            engine: o => o with { DisconnectPoll = TimeSpan.FromMilliseconds(50) });
        var wedge = stage.Decode.Faults.Add(new Fault(FaultKind.WedgeDecode));
        await using var shorter = stage.Send("/generate", FaultStage.Body(more: ""","rid":"job" """));
        await using var longer = stage.Send("/generate", FaultStage.Body(more: ""","rid":"job-1" """));
        await FaultStage.UntilAsync(
            () => stage.Requests(stage.Decode) == 2 && stage.Gateway.Dispatcher is { OpenPrefillLegs: 0, OpenDecodeLegs: 2 });

        await shorter.LeaveAsync();
        await FaultStage.UntilAsync(() => stage.Gateway.Dispatcher.OpenDecodeLegs == 1);
        // An abort by its id would take both: the closed connection has to do.
        Assert.Equal(0, stage.Gateway.Dispatcher.Aborter.Sent);
        stage.Decode.Faults.Remove(wedge);

        Assert.Equal(FaultStage.Good, (await longer.ReplyAsync()).GoodText());
        await stage.FreeAsync();
        Assert.Equal("client_gone", (await stage.ToldAsync(shorter.Id)).Reason);
    }

    [Fact]
    public async Task F12_The_longer_of_two_ids_is_aborted_by_its_id()
    {
        await using var stage = await FaultStage.StartAsync();
        var wedge = stage.Decode.Faults.Add(new Fault(FaultKind.WedgeDecode));
        await using var shorter = stage.Send("/generate", FaultStage.Body(more: ""","rid":"job" """));
        await using var longer = stage.Send("/generate", FaultStage.Body(tokens: 100_000, more: ""","rid":"job-1" """));
        await FaultStage.UntilAsync(
            () => stage.Requests(stage.Decode) == 2 && stage.Gateway.Dispatcher is { OpenPrefillLegs: 0, OpenDecodeLegs: 2 });

        await longer.LeaveAsync();
        await FaultStage.UntilAsync(() => stage.Gateway.Dispatcher is { OpenDecodeLegs: 1, Aborter.Sent: 1 });
        stage.Decode.Faults.Remove(wedge);

        Assert.Equal(FaultStage.Good, (await shorter.ReplyAsync()).GoodText());
        await stage.FreeAsync();
        Assert.Equal(1, stage.Decode.Stats.AbortedTotal);
    }

    [Fact]
    public void F12_No_id_of_ours_begins_another_one()
    {
        var source = new RidSource(7);
        var ids = Enumerable.Range(0, 10_000).Select(_ => source.Next()).ToArray();
        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Equal(RidSource.Width, id.Length));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F13_An_abort_that_the_engine_reports_as_200_is_no_success(bool stream)
    {
        await using var stage = await FaultStage.StartAsync(engine: o => o with { Speed = 1 });
        await using var pending = stage.Send("/generate", FaultStage.Body(stream, tokens: 4000, more: ""","rid":"victim" """));
        await FaultStage.UntilAsync(() => stage.Decode.Stats.Running == 1 && stage.Gateway.Dispatcher.OpenPrefillLegs == 0);

        using (var engine = new HttpClient())
        using (var body = new StringContent("""{"rid":"victim"}""", Encoding.UTF8, "application/json"))
        {
            using var response = await engine.PostAsync(new Uri(stage.Decode.Url, "/abort_request"), body, FaultStage.Token);
            response.EnsureSuccessStatusCode();
        }

        var reply = await pending.ReplyAsync();
        Assert.Equal(200, reply.Status);
        var last = stream ? reply.Events[^1] : reply.Json;
        Assert.Equal("abort", (string?)last["meta_info"]!["finish_reason"]!["type"]);
        await stage.FreeAsync();
        Assert.Equal("decode_aborted", (await stage.ToldAsync(reply.Id)).Reason);
        Assert.Equal((1, 0), (stage.Gateway.Metrics.Count("decode_aborted"), stage.Gateway.Metrics.Count("ok")));
        Assert.Empty(stage.Charged);
    }

    /// <summary>
    /// A prefill says 200 and "length" of a request that it has aborted in the transfer: only decode's word counts.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F13_A_prefill_that_reports_its_abort_as_length_is_no_success(bool stream)
    {
        await using var stage = await FaultStage.StartAsync(2, 2, engine: o => o with { ContextLength = 64 });
        // One more than the scheduler takes, which answers only after the hand-off.
        var ids = string.Join(',', Enumerable.Range(1, 59));

        var reply = await stage.PostAsync("/generate", $$"""{"input_ids":[{{ids}}],"stream":{{(stream ? "true" : "false")}}}""");

        Assert.Contains("exceeds the maximum allowed length", (string)reply.Refused(400)["message"]!);
        await stage.FreeAsync();
        var told = await stage.ToldAsync(reply.Id);
        Assert.Single(told.Attempts);
        Assert.Equal(("decode_client_error", "client"), (told.Reason, told.Blame()));
        Assert.Empty(stage.Charged);
    }

    [Theory]
    [InlineData("/generate")]
    [InlineData("/v1/completions")]
    [InlineData("/v1/chat/completions")]
    public async Task F14_Rooms_hosts_and_ranks_of_clients_are_replaced(string path)
    {
        await using var stage = await FaultStage.StartAsync(
            engine: o => o with { DpSize = o.Role == EngineRole.Prefill ? 2 : 3 });
        var prompt = path switch
        {
            "/generate" => $$"""{"text":"{{FaultStage.Prompt}}","sampling_params":{"max_new_tokens":24,"ignore_eos":true}""",
            "/v1/completions" => $$"""{"model":"sim","prompt":"{{FaultStage.Prompt}}","max_tokens":24""",
            _ => $$"""{"model":"sim","messages":[{"role":"user","content":"{{FaultStage.Prompt}}"}],"max_tokens":24""",
        };
        const string Hostile =
            ""","bootstrap_room":1,"bootstrap_host":"203.0.113.1","bootstrap_port":9,"routed_dp_rank":9,"disagg_prefill_dp_rank":9,"data_parallel_rank":9}""";

        var fair = await stage.PostAsync(path, prompt + "}");
        var reply = await stage.PostAsync(path, prompt + Hostile);

        Assert.Equal(200, reply.Status);
        Assert.Equal(TextOf(fair.Json), TextOf(reply.Json));
        await stage.FreeAsync();
        Assert.DoesNotContain("1", (await stage.ToldAsync(reply.Id)).Attempts[0]["rooms"]!.AsArray().Select(r => (string)r!));

        static string? TextOf(JsonNode answer) =>
            (string?)(answer["text"] ?? answer["choices"]![0]!["text"] ?? answer["choices"]![0]!["message"]!["content"]);
    }
}
