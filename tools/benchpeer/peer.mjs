// Prints the prefill and decode rates of llama.cpp for a model, as JSON:
//   node peer.mjs MODEL THREADS PROMPT GENERATE CONTEXT WARM
// WARM tokens of the prompt are evaluated before anything is measured.
// The tokens of the prompt are those of `lite bench`.
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [path, threads, prompt, generate, context, warm] = process.argv.slice(2).map((v, i) => (i === 0 ? v : Number(v)));
const started = performance.now();
const llama = await getLlama({
    gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.error, maxThreads: threads
});
const model = await llama.loadModel({modelPath: path});
const ctx = await model.createContext({contextSize: context, threads, batchSize: 512});
const sequence = ctx.getSequence();
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const tokens = Array.from({length: prompt}, (_, i) => (i * 7919 + 13) % Math.min(50000, vocabulary - 8));
const loaded = performance.now();
const rates = [];
for (const n of [warm, prompt]) {
    await sequence.clearHistory();
    const begin = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, n));
    const middle = performance.now();
    let made = 0;
    for await (const _ of sequence.evaluate([tokens[5]], {temperature: 0, yieldEogToken: true})) {
        if (++made >= generate) break;
    }
    rates.push({prefill: n * 1e3 / (middle - begin), decode: made * 1e3 / (performance.now() - middle)});
}
console.log(JSON.stringify({...rates[1], loadMs: loaded - started, system: llama.systemInfo, release: llama.llamaCppRelease.release}));
process.exit(0);
