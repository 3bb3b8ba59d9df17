namespace OrleansPd.Simulator.Http;

/// <summary><c>/server_info</c>: every relevant flag, including keys in clear text, as real engines report them.</summary>
internal sealed class InfoCalls(EngineProcess engine)
{
    public Task ServerInfoAsync(HttpContext context)
    {
        engine.Stats.AskedForInfo();
        return context.JsonAsync(200, WriteInfo);
    }

    private void WriteInfo(Utf8JsonWriter json)
    {
        var options = engine.Options;
        json.WriteStartObject();
        WriteArguments(json);
        json.WriteString("status", "ready");
        json.WriteNumber("max_total_num_tokens", options.TokenCapacity);
        json.WriteNumber("max_req_input_len", options.MaxInput);
        json.WriteStartArray("internal_states");
        foreach (var rank in engine.Ranks)
        {
            json.WriteStartObject();
            WriteArguments(json);
            json.WriteNumber("last_gen_throughput", 0.0);
            json.WriteStartObject("memory_usage");
            json.WriteNumber("weight", 13.1);
            json.WriteNumber("kvcache", Math.Round(options.TokenCapacity * options.Timing.KvBytesPerToken / 1e9, 2));
            json.WriteNumber("token_capacity", options.TokenCapacity);
            json.WriteEndObject();
            json.WriteNumber("effective_max_running_requests_per_dp", options.Window);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("version", options.Version);
        json.WriteNull("kv_events");
        json.WriteEndObject();
    }

    /// <summary>The Rust front end reports neither role nor ports.</summary>
    public Task RustServerInfoAsync(HttpContext context) => context.JsonAsync(200, json =>
    {
        json.WriteStartObject();
        json.WriteString("model_path", engine.Options.ModelPath);
        json.WriteString("served_model_name", engine.ModelName);
        json.WriteString("tokenizer_path", engine.Options.ModelPath);
        json.WriteNumber("max_context_length", engine.Options.ContextLength);
        json.WriteNumber("max_total_num_tokens", engine.Options.TokenCapacity);
        json.WriteString("version", engine.Options.Version);
        json.WriteStartArray("internal_states");
        json.WriteStartObject();
        json.WriteNumber("last_gen_throughput", 0.0);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private void WriteArguments(Utf8JsonWriter json)
    {
        var options = engine.Options;
        json.WriteString("model_path", options.ModelPath);
        json.WriteString("tokenizer_path", options.ModelPath);
        json.WriteString("served_model_name", engine.ModelName);
        json.WriteString("host", options.Host);
        json.WriteNumber("port", engine.Port);
        json.WriteNull("dist_init_addr");
        json.WriteNumber("nnodes", 1);
        json.WriteNumber("tp_size", options.EnableDpAttention ? options.DpSize : 1);
        json.WriteNumber("pp_size", 1);
        json.WriteNumber("dp_size", options.DpSize);
        json.WriteBoolean("enable_dp_attention", options.EnableDpAttention && options.DpSize > 1);
        json.WriteString("load_balance_method", options.ResolvedLoadBalance);
        json.WriteString("disaggregation_mode", options.Mode);
        json.WriteNumber("disaggregation_bootstrap_port", engine.BootstrapPort);
        json.WriteString("disaggregation_transfer_backend", options.TransferBackend);
        // Engines that are given none draw one at each start.
        json.WriteNumber("random_seed", ((options.Seed * 7919) + engine.Epoch) & 0x3fff_ffff);
        json.WriteNumber("page_size", options.PageSize);
        json.WriteString("kv_cache_dtype", options.KvCacheDtype);
        json.WriteNumber("context_length", options.ContextLength);
        json.WriteNumber("max_running_requests", options.MaxRunningRequests);
        json.WriteNumber("num_reserved_decode_tokens", options.ReservedDecodeTokens);
        json.WriteString("api_key", options.ApiKey);
        json.WriteString("admin_api_key", options.AdminApiKey);
        json.WriteBoolean("enable_metrics", options.EnableMetrics);
        json.WriteBoolean("enable_cache_report", options.EnableCacheReport);
        json.WriteBoolean("incremental_streaming_output", options.IncrementalStreamingOutput);
        json.WriteBoolean("stream_response_default_include_usage", options.StreamDefaultIncludeUsage);
    }
}
