using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Net.Http1;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Rows F40, F43, F44 and F46 of the fault matrix: what happens on the way to engines and between them.</summary>
public sealed class WireFaultTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task F40_a_request_that_decode_retracts_comes_back_in_its_room_to_its_prefill_rank_and_the_client_sees_nothing_of_it(int prefillDp)
    {
        await using var stage = await Stage.StartAsync(prefillDp: prefillDp);
        for (var i = 0; i < 4; i++)
        {
            stage.Decode.Single().Faults.Add(new Fault(FaultKind.Retract) { Count = 1, AfterTokens = 5 });
            var answer = await stage.AskAsync("/generate", FleetFaultStage.Request(16));
            Assert.Equal(FleetFaultStage.Answer(16), (string)answer["text"]!);
            Assert.Equal(1, (int)answer["meta_info"]!["num_retractions"]!);
        }
        await stage.EmptyAsync();
        Assert.Equal((4, 0L), (stage.ControlPlane.Leases.Count, stage.Gateway.Dispatcher.Retries));
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors)); // another rank or room would be one
    }

    [Fact]
    public async Task F40_a_retracted_request_whose_prefill_is_gone_fails_fast_and_does_not_wait_for_a_transfer_clock()
    {
        await using var stage = await Stage.StartAsync(
            engine: o => o with { HeartbeatInterval = TimeSpan.FromMilliseconds(200) });
        var (prefill, decode) = (stage.Prefill.Single(), stage.Decode.Single());
        // It says five tokens, then loses its memory and asks the prefill, which is not there any more.
        decode.Faults.Add(new Fault(FaultKind.Retract) { Count = 1, AfterTokens = 5 });
        decode.Faults.Add(new Fault(FaultKind.WedgeDecode));
        var pending = stage.StreamAsync("/generate", FleetFaultStage.Request(16, stream: true));
        await Stage.UntilAsync(
            () => decode.Stats.Waiting + decode.Stats.Running == 1 && stage.Gateway.Dispatcher.OpenPrefillLegs == 0);
        await prefill.KillAsync();
        var clock = Stopwatch.StartNew();
        decode.Faults.Clear();

        var events = await pending;
        output.WriteLine($"failed {clock.ElapsedMilliseconds} ms after the retraction could begin");
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 20); // the transfer's own clock is 300 s
        Assert.True(events[^1]["error"] is not null
            || (string?)events[^1]["meta_info"]?["finish_reason"]?["type"] == "abort", events[^1].ToJsonString());
        Assert.All(events[..^1], e => Assert.StartsWith((string)e["text"]!, FleetFaultStage.Answer(16)));
        await stage.EmptyAsync();
    }

    [Fact]
    public async Task F43_after_a_long_idle_time_the_first_request_succeeds_though_every_kept_connection_is_dead()
    {
        await using var stage = await Stage.StartAsync();
        // Several connections to each engine, all idle afterwards.
        await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => stage.AskAsync("/generate", FleetFaultStage.Request())));
        await stage.EmptyAsync();
        foreach (var engine in stage.Engines)
        {
            // The listener closes, kept connections are reset, and it opens again: as an engine that drops idle ones.
            engine.Faults.Remove(engine.Faults.Add(new Fault(FaultKind.Refuse)));
        }
        for (var i = 0; i < 12; i++)
        {
            Assert.Equal(FleetFaultStage.Answer(
                ), (string)(await stage.AskAsync("/generate", FleetFaultStage.Request()))["text"]!);
        }
        Assert.All(stage.Engines, engine => Assert.Empty(engine.Stats.RouterErrors)); // no room was sent twice
        await stage.EmptyAsync();
    }

    [Fact]
    public void F43_connections_are_given_up_before_engines_close_them() =>
        Assert.InRange(new UpstreamOptions().IdleTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(4)); // engines: 5 s

    [Fact]
    public async Task F44_engines_on_IPv6_are_reached_and_named_in_brackets()
    {
        Assert.SkipUnless(HasIPv6(), "this machine has no IPv6 loopback");
        await using var stage = await LiveStage.StartAsync(1, 1, new GatewayOptions(), o => o with { Host = "::1", Speed = 0 });
        using var content = new StringContent(FleetFaultStage.Request(), Encoding.UTF8, "application/json");
        using var response = await stage.Client.PostAsync("/generate", content, LiveStage.Token);
        var text = await response.Content.ReadAsStringAsync(LiveStage.Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.Equal(FleetFaultStage.Answer(), (string)JsonNode.Parse(text)!["text"]!);
        await LiveStage.UntilAsync(() => stage.Gateway.Requests.Recent().Any(), TimeSpan.FromSeconds(10));
        var lease = stage.Gateway.Requests.Recent().Single().Calls[0].Attempts[0].Lease;
        Assert.Equal(("[::1]", "[::1]"), (lease.PrefillTarget.BootstrapHost, lease.DecodeTarget.BootstrapHost));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Bearer guess")]
    public async Task F46_a_spoofed_registration_is_401_and_changes_nothing(string? authorization)
    {
        await using var stage = await FleetFaultStage.StartAsync(1, 1, o => o.RankToken = "secret", o => o with { DpSize = 2 });
        stage.Decode[0].Faults.Add(new Fault(FaultKind.WedgeDecode));
        var pending = stage.AskAsync();
        await stage.UntilAsync(() => stage.Decode[0].Stats.LiveRequests == 1, "a room is live");
        Assert.Equal(200, await PostAsync(stage, "/register_dp_rank", """{"bootstrap_room":17,"dp_rank":1}""", "Bearer secret"));
        var before = stage.Gateway.ControlPlane.Rooms;
        Assert.Equal((2, 1), (before.Held, before.Pinned));

        foreach (var body in new[] { """{"bootstrap_room":17,"dp_rank":0}""", """{"bootstrap_room":4711,"dp_rank":1}""",
            "no json" })
        {
            Assert.Equal(401, await PostAsync(stage, "/register_dp_rank", body, authorization));
        }

        Assert.Equal(before, stage.Gateway.ControlPlane.Rooms);
        var ranks = new int[2];
        await stage.Gateway.ControlPlane.QueryRanksAsync(new long[] { 17, 4711 }, ranks, FleetFaultStage.Token);
        Assert.Equal([1, -1], ranks);
        stage.Decode[0].Faults.Clear();
        Assert.Equal(HttpStatusCode.OK, (await pending).Status);
        await stage.EmptyAsync();
    }

    private static async Task<int> PostAsync(FleetFaultStage stage, string path, string body, string? authorization)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post, path)
        { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        using var response = await stage.Client.SendAsync(request, FleetFaultStage.Token);
        return (int)response.StatusCode;
    }

    private static bool HasIPv6()
    {
        try
        {
            using var listener = new TcpListener(IPAddress.IPv6Loopback, 0);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
