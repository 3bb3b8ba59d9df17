namespace OrleansPd.Simulator.Http;

/// <summary><c>/metrics</c>: SGLang's gauges in Prometheus text.</summary>
internal sealed class MetricsCall(EngineProcess engine)
{
    public Task AnswerAsync(HttpContext context)
    {
        if (!engine.Options.EnableMetrics)
            return context.TextAsync(404, "{\"detail\":\"Not Found\"}", "application/json");
        var text = new StringBuilder();
        Gauge("num_running_reqs", load => load.Running);
        Gauge("num_queue_reqs", load => load.Waiting);
        Gauge("num_used_tokens", load => load.UsedTokens);
        Gauge("token_usage", load => (double)load.UsedTokens / engine.Options.TokenCapacity);
        Gauge("cache_hit_rate", load => load.Prompts == 0 ? 0 : (double)load.Hits / load.Prompts);
        Gauge("utilization", load => (double)load.Running / engine.Options.Window);
        Gauge("num_prefill_bootstrap_queue_reqs", load => load.Bootstrap);
        Gauge("num_prefill_inflight_queue_reqs", load => load.Inflight);
        Gauge("num_decode_prealloc_queue_reqs", load => load.Prealloc);
        Gauge("num_decode_transfer_queue_reqs", load => load.Transfer);
        return context.TextAsync(200, text.ToString(), "text/plain; version=0.0.4; charset=utf-8");

        void Gauge(string name, Func<LoadSnapshot, double> value)
        {
            var type = engine.Options.Role == EngineRole.Regular ? "unified" : engine.Options.Mode;
            text.Append("# TYPE sglang:").Append(name).Append(" gauge\n");
            foreach (var rank in engine.Ranks)
            {
                text.Append(CultureInfo.InvariantCulture,
                    $"sglang:{name}{{model_name=\"{engine.ModelName}\",engine_type=\"{type}\",tp_rank=\"0\",pp_rank=\"0\",");
                text.Append(CultureInfo.InvariantCulture, $"dp_rank=\"{rank.Index}\"}} {value(rank.Board.Read())}\n");
            }
        }
    }
}
