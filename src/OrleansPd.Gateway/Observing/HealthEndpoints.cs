using OrleansPd.Engines.Requests;

namespace OrleansPd.Gateway.Observing;

/// <summary>
/// Health checks: the process is alive (<c>/liveness</c>, <c>/health</c>; no engine is called), it can serve (<c>/readiness</c>;
/// reads the fleet snapshot), a real generation works (<c>/health_generate</c>).
/// </summary>
internal sealed class HealthEndpoints(IControlPlane controlPlane, RequestDispatcher dispatcher, GatewayLifetime life)
    : IEndpoints
{
    private static readonly byte[] Probe =
        """{"text":"ping","sampling_params":{"max_new_tokens":1,"temperature":0,"ignore_eos":true}}"""u8.ToArray();

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/liveness", () => Results.Ok());
        // 200 from the start, as SGLang's routers: their test suites start the router before its engines.
        routes.MapGet("/health", () => Results.Ok());
        routes.MapGet("/readiness", Readiness);
        routes.MapGet("/health_generate", GenerateAsync);
    }

    private IResult Readiness()
    {
        var fleet = controlPlane.Fleet;
        var why = life.IsStopping ? "the gateway is stopping" : fleet.WhyNotReady;
        return Results.Json(
            new
            {
                status = why is null ? "ready" : "not ready",
                reason = why,
                prefill = fleet.Prefill.Count(w => w.IsPairable),
                decode = fleet.Decode.Count(w => w.IsPairable),
                regular = fleet.Regular.Count(w => w.IsPairable),
            },
            statusCode: why is null ? 200 : 503);
    }

    private async Task GenerateAsync(HttpContext context)
    {
        var shape = new RequestShape();
        RequestScanner.TryScan(Probe, Dialect.Generate, ScanLimits.Default, shape, out _);
        using var body = SharedBody.CopyOf(Probe);
        var sink = new StatusSink();
        await dispatcher.RunAsync(
            new DispatchCall
            {
                Path = "/generate",
                Body = body,
                Shape = shape,
                Pair = new PairRequest { PromptTokens = 1, MaxNewTokens = 1 },
            },
            sink, context.RequestAborted);
        context.Response.StatusCode = sink.Status == 200 ? 200 : 503;
        await context.Response.WriteAsync(sink.Reason, context.RequestAborted);
    }

    /// <summary>Keeps the outcome and drops the answer.</summary>
    private sealed class StatusSink : IAnswerSink
    {
        public int Status { get; private set; }

        public string Reason { get; private set; } = "";

        public ValueTask AnswerAsync(AnswerHead head, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        {
            Status = head.Status;
            Reason = head.Status == 200 ? "" : Encoding.UTF8.GetString(body.Span);
            return ValueTask.CompletedTask;
        }

        public ValueTask StartAsync(AnswerHead head, CancellationToken cancellationToken)
        {
            Status = head.Status;
            return ValueTask.CompletedTask;
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask FailAsync(AnswerError error, CancellationToken cancellationToken) =>
            RefuseAsync(error, cancellationToken);

        public ValueTask RefuseAsync(AnswerError error, CancellationToken cancellationToken)
        {
            Status = error.Status;
            Reason = error.Message;
            return ValueTask.CompletedTask;
        }
    }
}
