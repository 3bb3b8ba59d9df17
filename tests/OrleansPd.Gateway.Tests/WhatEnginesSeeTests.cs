using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests;

/// <summary>The bytes that reach an engine: ours exactly, the client's untouched, nothing that clients may not choose.</summary>
public class WhatEnginesSeeTests
{
    private const string Client = """
        {"text":"x", "odd" : [1 , 2.50, {"bootstrap_room":5}],"bootstrap_room":[7],"bootstrap_host":"evil","bootstrap_port":1,
         "routed_dp_rank":9,"disagg_prefill_dp_rank":9,"data_parallel_rank":9,"\u0062ootstrap_room":8,"big":12345678901234567890,"rid":"mine"}
        """;

    [Fact]
    public async Task Members_that_clients_may_not_choose_are_replaced_and_all_others_arrive_byte_for_byte()
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync(bootstrapHost: "[fd00::1]");
        using var client = new HttpClient { BaseAddress = gateway.Url };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/generate")
        {
            Content = new StringContent(Client, System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("X-Data-Parallel-Rank", "3");
        request.Headers.Add("x-override-bootstrap-room", "1");
        request.Headers.Add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        request.Headers.Add("Authorization", "Bearer junk");

        using var response = await client.SendAsync(request, Stage.Token);
        response.EnsureSuccessStatusCode();

        // Decode's answer is the client's: the prefill's request may still be on its way when it is there.
        await Stage.UntilAsync(() => spy.Seen.Count == 2);
        var seen = spy.Seen.ToArray();
        Assert.Equal(seen[0].Json["bootstrap_room"]!.ToJsonString(), seen[1].Json["bootstrap_room"]!.ToJsonString());
        foreach (var (path, headers, text, json) in seen)
        {
            Assert.Equal("/generate", path);
            Assert.Contains(""" "odd" : [1 , 2.50, {"bootstrap_room":5}]""", text);
            Assert.Contains("\"big\":12345678901234567890", text);
            Assert.Equal("mine", (string)json["rid"]!);
            Assert.Equal("[fd00::1]", (string)json["bootstrap_host"]!);
            Assert.Equal(8998, (int)json["bootstrap_port"]!);
            Assert.True((long)json["bootstrap_room"]! > 0);
            Assert.Equal(0, (int)json["disagg_prefill_dp_rank"]!);
            Assert.Null(json["data_parallel_rank"]);
            Assert.Equal(1, Count(text, "\"bootstrap_host\""));
            Assert.DoesNotContain("evil", text);
            Assert.False(headers.ContainsKey("X-Data-Parallel-Rank"));
            Assert.False(headers.ContainsKey("x-override-bootstrap-room"));
            Assert.Equal("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", headers["traceparent"].ToString());
            Assert.Equal("Bearer junk", headers.Authorization.ToString());
            Assert.Equal(text.Length, (int)headers.ContentLength!);
        }
    }

    [Fact]
    public async Task Without_a_rid_both_legs_share_one_of_ours_and_of_fixed_width()
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync(bootstrapHost: "h");
        using var client = new HttpClient { BaseAddress = gateway.Url };

        for (var i = 0; i < 3; i++)
        {
            using var response = await client.PostAsync(
                "/generate", new StringContent("""{"text":"x"}""", System.Text.Encoding.UTF8, "application/json"), Stage.Token);
            response.EnsureSuccessStatusCode();
        }

        var rids = spy.Seen.Select(s => (string)s.Json["rid"]!).ToArray();
        Assert.Equal(3, rids.Distinct().Count());
        Assert.All(rids, rid => Assert.Equal(rids[0].Length, rid.Length));
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}
