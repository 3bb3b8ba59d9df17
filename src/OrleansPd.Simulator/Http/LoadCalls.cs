namespace OrleansPd.Simulator.Http;

/// <summary><c>/v1/loads</c> and its old form, from the snapshots of the ranks.</summary>
internal sealed class LoadCalls(EngineProcess engine)
{
    private static readonly string[] Sections = ["core", "memory", "spec", "lora", "disagg", "queues", "all"];

    public async Task LoadsAsync(HttpContext context)
    {
        var include = context.Request.Query["include"].ToString() is { Length: > 0 } given ? given.Split(',') : ["all"];
        var all = include.Contains("all");
        if (!all && include.Any(section => !Sections.Contains(section)))
        {
            await context.TextAsync(500, "Internal Server Error");
            return;
        }
        var filter = context.Request.Query["dp_rank"].ToString();
        if (filter.Length > 0 && !int.TryParse(filter, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            throw JsonMembers.Wrong("dp_rank", "a valid integer");
        await context.JsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString("timestamp", engine.Clock.GetUtcNow()
                .ToString("yyyy-MM-ddTHH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture));
            json.WriteString("version", engine.Options.Version);
            if (engine.Profile.August)
            {
                json.WriteString("accelerator", "SIM");
                json.WriteNumber("num_accelerators", 1);
            }
            json.WriteStartArray("loads");
            foreach (var rank in engine.Ranks)
            {
                if (filter.Length == 0 || int.Parse(filter, CultureInfo.InvariantCulture) == rank.Index)
                    Write(json, rank, section => all || include.Contains(section));
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public Task OldLoadAsync(HttpContext context) => context.JsonAsync(200, json =>
    {
        json.WriteStartArray();
        foreach (var rank in engine.Ranks)
        {
            var load = rank.Board.Read();
            json.WriteStartObject();
            json.WriteNumber("dp_rank", rank.Index);
            json.WriteNumber("num_reqs", load.Running + WaitingOf(load));
            json.WriteNumber("num_waiting_reqs", WaitingOf(load));
            json.WriteNumber("num_tokens", load.UsedTokens);
            json.WriteNumber("num_pending_tokens", 0);
            json.WriteNumber("ts_tic", engine.Clock.GetTimestamp() / (double)engine.Clock.TimestampFrequency);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    private static int WaitingOf(LoadSnapshot load) => load.Waiting + load.Bootstrap + load.Prealloc + load.Transfer;

    private void Write(Utf8JsonWriter json, EngineRank rank, Func<string, bool> has)
    {
        var options = engine.Options;
        var load = rank.Board.Read();
        var usage = Math.Round((double)load.UsedTokens / options.TokenCapacity, 4);
        json.WriteStartObject();
        json.WriteNumber("timestamp", load.At.ToUnixTimeMilliseconds() / 1000.0);
        json.WriteNumber("dp_rank", rank.Index);
        json.WriteNumber("num_running_reqs", load.Running);
        json.WriteNumber("num_waiting_reqs", WaitingOf(load));
        json.WriteNumber("num_waiting_uncached_tokens", 0);
        json.WriteNumber("num_used_tokens", load.UsedTokens);
        json.WriteNumber("num_total_tokens", load.UsedTokens);
        json.WriteNumber("max_total_num_tokens", options.TokenCapacity);
        json.WriteNumber("max_running_requests", options.Window);
        json.WriteNumber("token_usage", usage);
        json.WriteNumber("gen_throughput", 0.0);
        json.WriteNumber("cache_hit_rate", load.Prompts == 0 ? 0.0 : Math.Round((double)load.Hits / load.Prompts, 4));
        json.WriteNumber("utilization", Math.Round((double)load.Running / options.Window, 4));
        if (engine.Profile.August)
        {
            json.WriteNumber("num_active_tokens", load.UsedTokens);
            json.WriteNumber("total_prefill_uncached_tokens", load.Uncached);
            json.WriteNumber("total_prefill_busy_us", 0);
            json.WriteNull("decode_moments");
        }
        if (has("memory"))
            WriteMemory(json);
        if (has("disagg"))
            WriteDisaggregation(json, load);
        if (has("queues"))
            WriteQueues(json, rank, load);
        json.WriteEndObject();
    }

    private void WriteMemory(Utf8JsonWriter json)
    {
        var options = engine.Options;
        json.WriteStartObject("memory");
        json.WriteNumber("weight_gb", 13.1);
        json.WriteNumber("kv_cache_gb", Math.Round(options.TokenCapacity * options.Timing.KvBytesPerToken / 1e9, 2));
        json.WriteNumber("graph_gb", 1.2);
        json.WriteNumber("token_capacity", options.TokenCapacity);
        json.WriteEndObject();
    }

    private void WriteDisaggregation(Utf8JsonWriter json, LoadSnapshot load)
    {
        json.WriteStartObject("disaggregation");
        json.WriteString("mode", engine.Options.Mode);
        json.WriteNumber("prefill_bootstrap_queue_reqs", load.Bootstrap);
        json.WriteNumber("prefill_inflight_queue_reqs", load.Inflight);
        json.WriteNumber("decode_prealloc_queue_reqs", load.Prealloc);
        json.WriteNumber("decode_transfer_queue_reqs", load.Transfer);
        json.WriteNumber("decode_retracted_queue_reqs", 0);
        json.WriteNumber("kv_transfer_speed_gb_s", 0.0);
        json.WriteNumber("kv_transfer_latency_ms", 0.0);
        json.WriteEndObject();
    }

    private void WriteQueues(Utf8JsonWriter json, EngineRank rank, LoadSnapshot load)
    {
        json.WriteStartObject("queues");
        json.WriteNumber("waiting", load.Waiting);
        json.WriteNumber("grammar", 0);
        json.WriteNumber("paused", 0);
        json.WriteNumber("retracted", 0);
        if (engine.Profile.August)
            json.WriteNumber("prealloc_ready", rank.PreallocReady);
        json.WriteEndObject();
    }
}
