using System.Net;
using System.Text.Json.Nodes;
using OrleansPd.Core.Requests;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests;

/// <summary>Two legs that live and die together: after each case nothing is left on either engine.</summary>
public class CouplingTests
{
    private const string Body = """{"text":"The capital of France","sampling_params":{"max_new_tokens":24,"ignore_eos":true} """;
    private const string Whole = Body + "}";
    private const string Streamed = Body + ""","stream":true}""";
    private static readonly string Good = ReferenceModel.Complete("The capital of France", 24, new Sampling { IgnoreEos = true });

    [Theory]
    [InlineData(EngineRole.Prefill, FaultKind.Status, false)]
    [InlineData(EngineRole.Prefill, FaultKind.Refuse, false)]
    [InlineData(EngineRole.Prefill, FaultKind.FailTransfer, false)]
    [InlineData(EngineRole.Decode, FaultKind.Status, false)]
    [InlineData(EngineRole.Decode, FaultKind.Refuse, false)]
    [InlineData(EngineRole.Decode, FaultKind.FailTransfer, false)]
    [InlineData(EngineRole.Decode, FaultKind.ResetMidStream, false)]
    [InlineData(EngineRole.Prefill, FaultKind.Status, true)]
    [InlineData(EngineRole.Prefill, FaultKind.FailTransfer, true)]
    [InlineData(EngineRole.Decode, FaultKind.Status, true)]
    [InlineData(EngineRole.Decode, FaultKind.Refuse, true)]
    [InlineData(EngineRole.Decode, FaultKind.FailTransfer, true)]
    [InlineData(EngineRole.Decode, FaultKind.TruncateStream, true)]
    [InlineData(EngineRole.Decode, FaultKind.GarbageSse, true)]
    public async Task Failure_before_the_first_output_is_retried_on_another_pair_with_a_fresh_room(
        EngineRole side, FaultKind kind, bool stream)
    {
        await using var stage = await Stage.StartAsync(2, 2);
        // Lease 1 takes the second worker of each role, its retry the other.
        var struck = stage.Engines.Where(e => e.Options.Role == side).ElementAt(1);
        struck.Faults.Add(new Fault(kind));

        var text = stream
            ? (string)(await stage.StreamAsync("/generate", Streamed))[^1]["text"]!
            : (string)(await stage.AskAsync("/generate", Whole))["text"]!;

        Assert.Equal(Good, text);
        var leases = stage.ControlPlane.Leases.ToArray();
        Assert.Equal(2, leases.Length);
        Assert.NotEqual(leases[0].Room, leases[1].Room);
        struck.Faults.Clear();
        await stage.EmptyAsync();
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors));
    }

    [Theory]
    [InlineData(EngineRole.Prefill, FaultKind.Status, LegSide.Prefill)]
    [InlineData(EngineRole.Prefill, FaultKind.Refuse, LegSide.Prefill)]
    [InlineData(EngineRole.Decode, FaultKind.Status, LegSide.Decode)]
    [InlineData(EngineRole.Decode, FaultKind.ResetMidStream, LegSide.Decode)]
    public async Task The_side_at_fault_is_charged_alone(EngineRole side, FaultKind kind, LegSide charged)
    {
        await using var stage = await Stage.StartAsync();
        stage.Engines.Single(
            e => e.Options.Role == side).Faults.Add(new Fault(kind) { Count = kind == FaultKind.Refuse ? null : 1 });

        using var response = await stage.PostAsync("/generate", Whole);

        var first = stage.ControlPlane.Leases.First();
        var other = charged == LegSide.Prefill ? LegSide.Decode : LegSide.Prefill;
        stage.Engines.Single(e => e.Options.Role == side).Faults.Clear();
        await stage.EmptyAsync();
        Assert.Equal(LegOutcome.Failed, stage.ControlPlane.OutcomeOf(first, charged));
        // Neutral where it was cancelled; a prefill that had done its part before the decode broke has succeeded.
        Assert.NotEqual(LegOutcome.Failed, stage.ControlPlane.OutcomeOf(first, other));
    }

    [Fact]
    public async Task Decode_is_relayed_while_the_prefill_answer_is_open_and_a_late_prefill_death_is_charged_to_it()
    {
        await using var stage = await Stage.StartAsync();
        // Its answer hangs after the KV is away, then it dies.
        stage.Prefill.Single().Faults.Add(new Fault(FaultKind.Stall));

        var events = await stage.StreamAsync("/generate", Streamed);
        Assert.Equal(Good, (string)events[^1]["text"]!);
        Assert.Equal(1, stage.Gateway.Dispatcher.OpenPrefillLegs);
        await stage.Prefill.Single().KillAsync();

        await stage.EmptyAsync();
        var lease = stage.ControlPlane.Leases.Last();
        Assert.Equal(LegOutcome.Failed, stage.ControlPlane.OutcomeOf(lease, LegSide.Prefill));
        Assert.Equal(LegOutcome.Succeeded, stage.ControlPlane.OutcomeOf(lease, LegSide.Decode));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_request_that_the_engines_refuse_gets_their_status_and_words_at_once(bool stream)
    {
        await using var stage = await Stage.StartAsync(engine: o => o with { ContextLength = 64 });
        var ids = string.Join(',', Enumerable.Range(1, 200));

        using var response = await stage.PostAsync(
            "/generate", $$"""{"input_ids":[{{ids}}],"stream":{{(stream ? "true" : "false")}} }""");

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var error = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stage.Token))!;
        Assert.NotEmpty((string)error["error"]!["message"]!);
        Assert.Single(stage.ControlPlane.Leases);
        await stage.EmptyAsync();
        Assert.Equal(LegOutcome.Neutral, stage.ControlPlane.OutcomeOf(stage.ControlPlane.Leases.Single(), LegSide.Prefill));
        Assert.Equal(LegOutcome.Neutral, stage.ControlPlane.OutcomeOf(stage.ControlPlane.Leases.Single(), LegSide.Decode));
    }

    [Theory]
    [InlineData("/generate", Streamed)]
    [InlineData("/v1/chat/completions",
        """{"model":"m","stream":true,"max_tokens":8,"messages":[{"role":"user","content":"hello"}]}""")]
    public async Task An_error_that_arrives_as_200_is_a_status_for_the_client(string path, string body)
    {
        await using var stage = await Stage.StartAsync();
        stage.Decode.Single().Faults.Add(new Fault(FaultKind.FailTransfer));

        using var response = await stage.PostAsync(path, body);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        stage.Decode.Single().Faults.Clear();
        await stage.EmptyAsync();
    }

    [Theory]
    [InlineData(FaultKind.ResetMidStream)]
    [InlineData(FaultKind.TruncateStream)]
    [InlineData(FaultKind.GarbageSse)]
    [InlineData(FaultKind.Die)]
    public async Task A_stream_that_breaks_ends_with_an_error_event_and_no_retry(FaultKind kind)
    {
        // At real speed: a reset takes unread events along, and an engine without pauses may reset before the first one is read.
        await using var stage = await Stage.StartAsync(2, 2, engine: o => o with { Speed = 1 });
        foreach (var decode in stage.Decode)
            decode.Faults.Add(new Fault(kind) { AfterEvents = 3, AfterTokens = 3 });

        var events = await stage.StreamAsync("/generate", Streamed);

        Assert.NotNull(events[^1]["error"]!["message"]);
        Assert.All(events[..^1], e => Assert.StartsWith((string)e["text"]!, Good));
        Assert.InRange(events.Count, 2, 24);
        Assert.Single(stage.ControlPlane.Leases);
        foreach (var decode in stage.Decode.Where(d => d.IsAlive))
            decode.Faults.Clear();
        await stage.EmptyAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_that_leaves_frees_both_engines(bool stream)
    {
        // At real speed 4,000 tokens take more than a minute: what is free within seconds was freed by us.
        await using var stage = await Stage.StartAsync(engine: o => o with { Speed = 1 });
        const string Long = """{"text":"The capital of France","sampling_params":{"max_new_tokens":4000,"ignore_eos":true} """;
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(Stage.Token);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(
                Long + (stream ? ""","stream":true}""" : "}"), System.Text.Encoding.UTF8, "application/json"),
        };
        var pending = stage.Client.SendAsync(request, leave.Token);
        await Stage.UntilAsync(() => stage.Decode.Single().Stats.Running == 1);

        await leave.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending);
        await stage.EmptyAsync();
        Assert.Equal(1, stage.Gateway.Metrics.Count("client_gone"));
    }

    [Fact]
    public async Task No_output_within_the_limit_frees_both_engines_and_says_so()
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { FirstOutputTimeoutSecs = 1 });
        stage.Prefill.Single().Faults.Add(new Fault(FaultKind.WedgePrefill));

        using var response = await stage.PostAsync("/v1/completions", """{"model":"m","prompt":"x","max_tokens":4}""");

        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        Assert.Equal("no_output", response.Headers.GetValues("x-router-error-code").Single());
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task One_failing_sample_ends_all_of_them()
    {
        await using var stage = await Stage.StartAsync();
        stage.Decode.Single().Faults.Add(new Fault(FaultKind.Status) { Status = 500 });

        using var response = await stage.PostAsync("/v1/completions", """{"model":"m","prompt":"x","max_tokens":4,"n":5}""");

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        stage.Decode.Single().Faults.Clear();
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task A_client_that_reads_slowly_loses_nothing()
    {
        await using var stage = await Stage.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(
                """{"text":"slow reader","stream":true,"sampling_params":{"max_new_tokens":800,"ignore_eos":true}}""",
                System.Text.Encoding.UTF8, "application/json"),
        };
        using var response = await stage.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stage.Token);
        await using var stream = await response.Content.ReadAsStreamAsync(Stage.Token);
        var text = new System.Text.StringBuilder();
        var chunk = new byte[211];
        int read;
        while ((read = await stream.ReadAsync(chunk, Stage.Token)) > 0)
        {
            text.Append(System.Text.Encoding.Latin1.GetString(chunk, 0, read));
            await Task.Yield();
        }

        var last = Stage.Events(System.Text.Encoding.UTF8.GetString(System.Text.Encoding.Latin1.GetBytes(text.ToString())))[^1];
        Assert.Equal(ReferenceModel.Complete("slow reader", 800, new Sampling { IgnoreEos = true }), (string)last["text"]!);
        await stage.EmptyAsync();
    }
}
