using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansPd.Core.Attempts;
using OrleansPd.Core.Requests;
using OrleansPd.Engines.Attempts;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Options;
using OrleansPd.Simulator;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>What each failure looks like to a client, on each route, streamed or not, before and after the first byte.</summary>
public class ErrorShapeTests
{
    private static readonly (string Path, string Body)[] Calls =
    [
        ("/generate", """{"text":"hello","sampling_params":{"max_new_tokens":24,"ignore_eos":true}"""),
        ("/v1/completions", """{"model":"sim","prompt":"hello","max_tokens":24,"ignore_eos":true"""),
        ("/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"hello"}],"max_tokens":24,"ignore_eos":true"""),
    ];

    [Theory]
    [InlineData(EngineRole.Prefill, FaultKind.Status, 400, 400)]
    [InlineData(EngineRole.Prefill, FaultKind.Status, 503, 503)]
    [InlineData(EngineRole.Prefill, FaultKind.Status, 500, 503)]
    [InlineData(EngineRole.Prefill, FaultKind.FailTransfer, 0, 503)]
    [InlineData(EngineRole.Prefill, FaultKind.Reset, 0, 503)]
    [InlineData(EngineRole.Decode, FaultKind.Status, 400, 400)]
    [InlineData(EngineRole.Decode, FaultKind.Status, 429, 429)]
    [InlineData(EngineRole.Decode, FaultKind.Status, 503, 503)]
    [InlineData(EngineRole.Decode, FaultKind.Status, 500, 500)]
    [InlineData(EngineRole.Decode, FaultKind.FailTransfer, 0, 500)]
    [InlineData(EngineRole.Decode, FaultKind.OutOfMemory, 0, 500)]
    [InlineData(EngineRole.Decode, FaultKind.Reset, 0, 503)]
    public async Task Before_the_first_byte_it_is_a_status_and_an_error_object(
        EngineRole side, FaultKind kind, int engines, int clients)
    {
        await using var stage = await FaultStage.StartAsync(gateway: OneAttempt);
        var struck = side == EngineRole.Prefill ? stage.Prefill : stage.Decode;
        foreach (var (path, body) in Calls)
        {
            foreach (var stream in new[] { "", ""","stream":true""" })
            {
                struck.Faults.Add(new Fault(kind) { Count = 1, Status = engines == 0 ? null : engines });

                (await stage.PostAsync(path, body + stream + "}")).Refused(clients);

                await stage.FreeAsync();
                Assert.Empty(struck.Faults.Active);
            }
        }
    }

    [Theory]
    [InlineData(FaultKind.OutOfMemory, 500)]
    [InlineData(FaultKind.ResetMidStream, 503)]
    [InlineData(FaultKind.TruncateStream, 502)]
    [InlineData(FaultKind.GarbageSse, 502)]
    public async Task After_the_first_byte_it_is_an_error_event_and_a_clean_end(FaultKind kind, int code)
    {
        // Slow enough that the first events are out before the fault strikes.
        await using var stage = await FaultStage.StartAsync(gateway: OneAttempt, engine: o => o with { Speed = 1 });
        foreach (var (path, body) in Calls)
        {
            stage.Decode.Faults.Add(new Fault(kind) { Count = 1, AfterEvents = 6, AfterTokens = 6 });

            var reply = await stage.PostAsync(path, body + ""","stream":true}""");

            if (kind == FaultKind.OutOfMemory && path == "/generate")
            {
                // The engine's own event, which SGLang's clients know, is passed on as it is.
                var finish = reply.Events[^1]["meta_info"]!["finish_reason"]!;
                Assert.Equal(("abort", code), ((string?)finish["type"], (int)finish["status_code"]!));
            }
            else
            {
                Assert.Equal(code, (int)reply.Broken()["code"]!);
            }
            await stage.FreeAsync();
        }
    }

    [Fact]
    public void Every_failure_is_the_error_object_of_its_dialect()
    {
        string[] types =
        [
            "invalid_request_error", "authentication_error", "permission_error", "not_found_error", "rate_limit_error",
            "service_unavailable_error", "timeout_error", "server_error",
        ];
        foreach (var kind in Enum.GetValues<LegEndKind>().Where(k => k is not (LegEndKind.Open or LegEndKind.Ok)))
        {
            foreach (var side in Enum.GetValues<LegSide>())
            {
                var verdict = Verdict.OfFailure(side, new LegEnd(kind, 500, "words with \"quotes\"\n"), regular: false);
                foreach (var dialect in Enum.GetValues<Dialect>())
                {
                    foreach (var inStream in new[] { true, false })
                    {
                        var output = new ArrayBufferWriter<byte>();
                        ErrorJson.Write(
                            output, new AnswerError(verdict.Status, verdict.Reason, verdict.Message),
                            inStream ? ErrorShape.Native : ErrorJson.ShapeOf(dialect));

                        // One line: a line break inside would end the event.
                        Assert.DoesNotContain((byte)'\n', output.WrittenSpan.ToArray());
                        var error = JsonNode.Parse(output.WrittenSpan)!["error"]!.AsObject();
                        Assert.Equal(["code", "message", "param", "type"], error.Select(m => m.Key).Order());
                        Assert.Equal(verdict.Message, (string?)error["message"]);
                        Assert.Contains((string?)error["type"], types);
                        var number = inStream || dialect == Dialect.Generate;
                        Assert.Equal(number ? JsonValueKind.Number : JsonValueKind.String, error["code"]!.GetValueKind());
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(ErrorShape.Management, """{"error":"no \"worker\"","code":"NOT_FOUND"}""")]
    [InlineData(ErrorShape.PairRouting, """{"error":"no \"worker\"","code":"NOT_FOUND","detail":"no \"worker\""}""")]
    public void Errors_of_the_management_api_have_the_members_that_its_clients_read(ErrorShape shape, string expected)
    {
        var output = new ArrayBufferWriter<byte>();

        ErrorJson.Write(output, new AnswerError(404, "NOT_FOUND", "no \"worker\""), shape);

        Assert.Equal(expected, System.Text.Encoding.UTF8.GetString(output.WrittenSpan));
    }

    private static void OneAttempt(GatewayOptions options)
    {
        options.RetryMaxRetries = 0;
        options.ControlPlane.CbFailureThreshold = 1000;
    }
}
